"""The producer snapshots in a log's folder: written at rolls and clean stops, read instead of a replay."""

import logging

from server.log import names, producer_snapshot
from server.log.producers import ProducerStates
from server.log.sync import write_whole
from server.ports import Disk

log = logging.getLogger(__name__)


def path_of(folder: str, offset: int) -> str:
    return f"{folder}/{names.stem(offset)}{names.SNAPSHOT}"


def offsets(disk: Disk, folder: str) -> list[int]:
    """The offsets of the snapshots in `folder`, sorted."""
    split = (names.split(name) for name in disk.list(folder))
    return sorted(found[0] for found in split if found and found[1] == names.SNAPSHOT)


def write(disk: Disk, folder: str, offset: int, producers: ProducerStates) -> str:
    """Write what is known below `offset`; return the path, which the caller syncs.

    It may be torn by a crash until then: its CRC tells.
    """
    path = path_of(folder, offset)
    write_whole(disk, path, producer_snapshot.format(producers.rows()))
    return path


def drop(disk: Disk, folder: str, start: int) -> None:
    """Remove the snapshots at `start` and behind it."""
    for offset in offsets(disk, folder):
        if offset >= start:
            disk.remove(path_of(folder, offset))


def load(disk: Disk, folder: str, candidates: list[int], limit: int, producers: ProducerStates) -> int | None:
    """Load the latest sound snapshot at `limit` or before it; return its offset. Damaged ones are removed.

    Without any, the producers are none, and the answer None.
    """
    for offset in reversed(candidates):
        if offset > limit:
            continue
        try:
            producers.load(producer_snapshot.parse(disk.read(path_of(folder, offset))))
        except ValueError as error:
            log.warning("Removing producer snapshot %s: %s", path_of(folder, offset), error)
            disk.remove(path_of(folder, offset))
            continue
        return offset
    producers.clear()
    return None
