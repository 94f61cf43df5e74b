"""Closing logs durably, many of them at once.

A log has about six files to sync at a clean stop. For a handful of logs each is synced on its own; for hundreds the
whole volume is, which takes a fraction of the time.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from server.log.sync import sync_all
from server.ports import Disk

if TYPE_CHECKING:
    from server.log.folder import LogFolder

FILES_ONE_BY_ONE = 100


def close_all(disk: Disk, logs: Iterable["LogFolder"]) -> None:
    """Close logs of one volume. Raises OSError, StorageFailed; the logs are open still, then."""
    logs = list(logs)
    changed = [log for log in logs if not log.failed and log.put_down()]
    paths = [path for log in changed for path in log.debt.paths]
    folders = list(dict.fromkeys(folder for log in changed for folder in log.debt.folders))
    volume = folders[0] if len(paths) > FILES_ONE_BY_ONE else None
    if volume is None:
        sync_all(disk, paths, [])
    else:
        disk.sync_volume(volume)
    for log in changed:
        log.name_epochs()
    if volume is None:
        sync_all(disk, [], folders)
    else:
        disk.sync_volume(volume)
    for log in changed:
        log.settled()
    for log in logs:
        log.close_files()
