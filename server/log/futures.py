"""Future logs: copies of partitions' logs in other directories of this node, until they take their originals' places.

At most one for each partition, in another directory than its log. What they hold is somebody else's to copy
(server/broker/moves.py); here they are made, found again at a start, discarded, and swapped in.

A swap loses nothing, wherever a crash falls into it: the copy is made durable first; then the original gets its deleted
name, then the copy its own. In between there is no log and one whole copy, which `adopt` makes the log.
Source: KIP-113, KIP-858.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from server.log import names
from server.log.checkpoints import PartitionName
from server.log.log import Log
from server.log.log_dir import LogDir
from server.log.owner import StorageFailed
from server.model.ids import TopicId
from server.model.log_settings import LogSettings

logger = logging.getLogger(__name__)


class Futures:
    def __init__(self, logs: dict[PartitionName, Log], times: Callable[[], tuple[int, int]]) -> None:
        """
        logs    the logs of all directories; a swap changes it
        times   (monotonic, wall) milliseconds
        """
        self._logs, self._times = logs, times
        self._futures: dict[PartitionName, Log] = {}

    def get(self, topic: str, partition: int) -> Log | None:
        """The copy that is being made of a partition's log; None: there is none, or its directory is offline."""
        found = self._futures.get((topic, partition))
        return None if found is None or found.failed else found

    def has(self, log: Log) -> bool:
        return self._futures.get((log.topic, log.partition)) is log

    def __iter__(self) -> Iterator[Log]:
        return iter([log for log in self._futures.values() if not log.failed])

    def loaded(self, dirs: Iterable[LogDir]) -> None:
        """Note the copies that directories hold; those that there is no use for are removed."""
        for each in dirs:
            for key in list(each.futures):
                if key in each.logs or key in self._futures:
                    with suppress(StorageFailed), _blamed(each, "remove a copy from"):
                        each.discard_future(key)
                else:
                    self._futures[key] = each.futures[key]

    def create(
        self, topic: str, partition: int, topic_id: TopicId | None, settings: LogSettings, directory: LogDir
    ) -> Log:
        """Begin an empty copy in this directory. Raises StorageFailed, Rejected."""
        key = topic, partition
        assert self.get(*key) is None, f"{names.folder(*key)} is being moved already"
        with _blamed(directory, "make a copy in"):
            self._futures[key] = directory.create(key, settings, topic_id, *self._times(), future=True)
        return self._futures[key]

    def discard(self, topic: str, partition: int) -> None:
        """Give a copy up; nothing happens if there is none. Raises StorageFailed."""
        log = self._futures.pop((topic, partition), None)
        if log is not None and not log.failed:
            directory = _dir_of(log)
            with _blamed(directory, "remove a copy from"):
                directory.discard_future((topic, partition))

    def swap(self, topic: str, partition: int) -> Log:
        """Put the copy, which has all, in the place of the original; the partition's log from now on.

        Raises StorageFailed, Rejected. The partition has its former log then, if only the copy's directory failed;
        opened anew where it had been closed, so that whoever holds it must ask for it again.
        """
        key = topic, partition
        current, future = self._logs[key], self._futures[key]
        source, target = _dir_of(current), _dir_of(future)
        future.close()
        hw = current.hw
        current.close()
        with _blamed(source, "delete a log in"):
            source.delete(key, self._times()[0])
        del self._futures[key]
        try:
            with _blamed(target, "rename a copy in"):
                self._logs[key] = target.promote(key, *self._times())
        except StorageFailed:
            with _blamed(source, "take back the deletion of a log in"):
                self._logs[key] = source.restore(key, current, *self._times())
            raise
        finally:
            self._logs[key].hw = hw
        return self._logs[key]

    def adopt(self, topic: str, partition: int) -> Log:
        """Make the partition's log of its copy: the original was removed, and then the node stopped.

        Raises StorageFailed, Rejected.
        """
        key = topic, partition
        assert key not in self._logs
        future = self._futures.pop(key)
        directory = _dir_of(future)
        logger.info("%s had taken the place of its original", future.path)
        future.close()
        with _blamed(directory, "rename a copy in"):
            self._logs[key] = directory.promote(key, *self._times())
        return self._logs[key]


def _dir_of(log: Log) -> LogDir:
    assert isinstance(log.owner, LogDir)
    return log.owner


class _blamed:
    """What fails in here fails this directory. Raises StorageFailed for OSError."""

    def __init__(self, directory: LogDir, what: str) -> None:
        self._directory, self._what = directory, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            self._directory.fail(error)
            raise StorageFailed(f"Cannot {self._what} {self._directory.path}: {error.strerror or error}") from error
