"""All log directories of a node.

    dirs = LogDirs(disk, clock, rng, paths, metadata_dir=paths[0])
    dirs.claim(node_id)                              # locks, meta.properties
    metadata = dirs.open_metadata_log(settings)      # which tells the topics' settings
    dirs.load(settings_of)
    ...
    dirs.close(broker_epoch)

A directory whose disk fails goes offline with its logs: `on_offline` is called with it, its logs refuse everything.
Source: KIP-112, KIP-858.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from server.log import names
from server.log.checkpoints import PartitionName
from server.log.cleaner import Cleaner
from server.log.futures import Futures
from server.log.log import Log
from server.log.log_dir import LogDir
from server.log.meta_properties import MetaProperties, NotFormatted, UnusableDirectory
from server.log.open_files import MAX_OPEN_FILES, OpenFiles
from server.log.owner import StorageFailed
from server.log.sync import SyncJob
from server.model.errors import ErrorCode, Rejected
from server.model.ids import METADATA_TOPIC, METADATA_TOPIC_ID, DirectoryId, TopicId
from server.model.log_settings import LogSettings
from server.ports import Clock, Disk, Rng

CHECKPOINT_MS = 5_000
RETENTION_CHECK_MS = 300_000
COMPACTION_BYTES = 2 << 20  # to go through at each tick: some 30 ms


class LogSize(NamedTuple):
    """is_future: it is being moved here; lag: how many offsets it is behind the partition's log then."""

    topic: str
    partition: int
    size: int
    is_future: bool = False
    lag: int = 0


class DirDescription(NamedTuple):
    """One directory of DescribeLogDirs. `error`: why it is offline; its numbers are -1 and its logs unknown then."""

    path: str
    directory_id: DirectoryId | None
    error: str | None
    total_bytes: int
    usable_bytes: int
    logs: tuple[LogSize, ...]


def run_here(job: SyncJob) -> None:
    job.run()
    job.finish()


class LogDirs:
    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        rng: Rng,
        paths: Sequence[str],
        *,
        metadata_dir: str | None = None,
        max_open_files: int = MAX_OPEN_FILES,
        checkpoint_ms: int = CHECKPOINT_MS,
        retention_check_ms: int = RETENTION_CHECK_MS,
        compaction_bytes: int = COMPACTION_BYTES,
        run: Callable[[SyncJob], None] = run_here,
        on_offline: Callable[[LogDir], None] = lambda directory: None,
    ) -> None:
        """
        paths          absolute
        metadata_dir   where the metadata log is; default the first path; may be none of `paths`
        compaction_bytes   how much each tick may compact; 0: nothing is compacted
        run            runs a job (`run` in any thread, then `finish` in this one) that syncs rolled segments
        """
        self._clock, self._rng = clock, rng
        self._files = OpenFiles(disk, max_open_files)
        self._run, self._on_offline = run, on_offline
        self._checkpoint_ms, self._retention_check_ms = checkpoint_ms, retention_check_ms
        self._next_checkpoint_ms = self._next_retention_ms = 0
        self.dirs = [LogDir(self._files, path, rng, self._went_offline) for path in dict.fromkeys(paths)]
        metadata_dir = metadata_dir or paths[0]
        own = [each for each in self.dirs if each.path == metadata_dir]
        self.metadata_dir = own[0] if own else LogDir(self._files, metadata_dir, rng, self._went_offline)
        self._logs: dict[PartitionName, Log] = {}
        self.futures = Futures(self._logs, self._times)
        self._compaction_bytes = compaction_bytes
        self._cleaner = Cleaner(lambda: self._logs.values(), self.dir_of)

    @property
    def _all_dirs(self) -> list[LogDir]:
        return self.dirs if self.metadata_dir in self.dirs else [*self.dirs, self.metadata_dir]

    def _went_offline(self, directory: LogDir) -> None:
        self._on_offline(directory)

    # -- identity

    def claim(self, node_id: int, cluster_id: str | None = None) -> str:
        """Lock every directory, check whose it is, and return the cluster's id.

        A directory that was added to a formatted node is given the node's identity; one without an id gets one; one
        that cannot be read goes offline. Raises UnusableDirectory; nothing is locked then.
        """
        try:
            return self._claim(node_id, cluster_id)
        except UnusableDirectory:
            self.release()
            raise

    def _claim(self, node_id: int, cluster_id: str | None) -> str:
        unformatted: list[tuple[LogDir, NotFormatted]] = []
        for each in self._all_dirs:
            try:
                each.claim()
            except NotFormatted as refusal:
                unformatted.append((each, refusal))
            except OSError as error:
                each.fail(error)
        usable = [each for each in self._all_dirs if each.meta is not None]
        if self.metadata_dir.meta is None:
            for each, why in unformatted:
                if each is self.metadata_dir:
                    raise why
            raise UnusableDirectory(f"Cannot use log directory {self.metadata_dir.path}: {self.metadata_dir.offline}.")
        cluster_id = cluster_id or self.metadata_dir.meta.cluster_id
        assert cluster_id is not None
        self._verify(usable, node_id, cluster_id)
        self._complete(usable, [each for each, _ in unformatted], node_id, cluster_id)
        return cluster_id

    def _verify(self, usable: list[LogDir], node_id: int, cluster_id: str) -> None:
        seen: dict[DirectoryId, str] = {}
        for each in usable:
            meta = each.meta
            assert meta is not None
            if meta.cluster_id != cluster_id:
                raise UnusableDirectory(
                    f"Log directory {each.path} was formatted for cluster {meta.cluster_id}, not for {cluster_id}."
                )
            if meta.node_id != node_id:
                raise UnusableDirectory(
                    f"Log directory {each.path} was formatted for node {meta.node_id}, and this node's id is {node_id}."
                )
            if meta.directory_id is not None and meta.directory_id in seen:
                raise UnusableDirectory(
                    f"Log directories {seen[meta.directory_id]} and {each.path} have the same directory.id;"
                    " one is a copy of the other."
                )
            if meta.directory_id is not None:
                seen[meta.directory_id] = each.path

    def _complete(self, usable: list[LogDir], unformatted: list[LogDir], node_id: int, cluster_id: str) -> None:
        for each in [*usable, *unformatted]:
            if each.directory_id is None and each.offline is None:
                try:
                    if each in unformatted:
                        self._files.disk.make_dirs(each.path)
                    each.adopt(
                        MetaProperties(cluster_id, node_id, DirectoryId(self._rng.uuid())),
                        self._clock.timestamp_ms(),
                    )
                    if each in unformatted:
                        each.release()
                        each.claim()
                except OSError as error:
                    each.fail(error)

    # -- logs

    def open_metadata_log(self, settings: LogSettings) -> Log:
        """Open __cluster_metadata-0, recovering all of it. Raises OSError, Rejected."""
        return self.metadata_dir.create((METADATA_TOPIC, 0), settings, METADATA_TOPIC_ID, *self._times())

    def _times(self) -> tuple[int, int]:
        return self._clock.now_ms(), self._clock.timestamp_ms()

    def load(self, settings_of: Callable[[str], LogSettings]) -> None:
        """Open all logs but the metadata log. Raises UnusableDirectory: a partition is in two directories."""
        for _ in self.loading(settings_of):
            pass

    def loading(self, settings_of: Callable[[str], LogSettings]) -> Iterator[None]:
        """`load` in steps, for who has other things to do in between."""
        for each in self.dirs:
            if each.offline is not None:
                continue
            yield from each.loading(settings_of, *self._times())
            for key, log in each.logs.items():
                if key in self._logs and not self._logs[key].failed:
                    raise UnusableDirectory(
                        f"Partition {names.folder(*key)} is in {self._logs[key].path} and in {log.path}."
                    )
                self._logs[key] = log
        self.futures.loaded([each for each in self.dirs if each.offline is None])
        self._next_checkpoint_ms = self._clock.now_ms() + self._checkpoint_ms
        self._next_retention_ms = self._clock.now_ms() + self._retention_check_ms

    @property
    def clean_epoch(self) -> int:
        """The broker epoch that ended with a clean stop of every directory; -1 if the last stop was not clean."""
        epochs = {each.clean_epoch for each in self.dirs if each.offline is None}
        return epochs.pop() if len(epochs) == 1 else -1

    def get(self, topic: str, partition: int) -> Log | None:
        """The log of a partition, `failed` if its directory is offline; None: there is none."""
        return self._logs.get((topic, partition))

    def __iter__(self) -> Iterator[Log]:
        """All logs but the metadata log."""
        return iter(list(self._logs.values()))

    def dir_of(self, log: Log) -> LogDir:
        assert isinstance(log.owner, LogDir)
        return log.owner

    def create_log(
        self,
        topic: str,
        partition: int,
        topic_id: TopicId | None,
        settings: LogSettings,
        directory_id: DirectoryId | None = None,
    ) -> Log:
        """Make a log, in the directory with this id if it is online, else in the one with the fewest logs.

        Raises Rejected: KAFKA_STORAGE_ERROR, INCONSISTENT_TOPIC_ID (the folder exists, of another topic).
        """
        key = (topic, partition)
        known = self._logs.get(key)
        assert known is None or known.failed, f"{names.folder(*key)} is open"
        online = [each for each in self.dirs if each.offline is None]
        if not online:
            raise StorageFailed("No log directory is online.")
        chosen = next((each for each in online if each.directory_id == directory_id), None)
        chosen = chosen or min(online, key=lambda each: len(each.logs))
        try:
            log = chosen.create(key, settings, topic_id, *self._times())
        except OSError as error:
            chosen.fail(error)
            raise StorageFailed(f"Cannot make the log of {names.folder(*key)}: {error.strerror or error}") from error
        if topic_id is not None and log.topic_id != topic_id:
            del chosen.logs[key]
            log.abandon()
            raise Rejected(
                ErrorCode.INCONSISTENT_TOPIC_ID, f"{log.path} belongs to another topic of the same name: {log.topic_id}"
            )
        self._logs[key] = log
        return log

    def delete_log(self, topic: str, partition: int) -> None:
        """Take a log away; its bytes are freed after file.delete.delay.ms. Nothing happens if there is none.

        Where it was being moved to, it goes too. Raises StorageFailed.
        """
        self.futures.discard(topic, partition)
        log = self._logs.pop((topic, partition), None)
        if log is None:
            return
        directory = self.dir_of(log)
        if directory.offline is None:
            try:
                directory.delete((topic, partition), self._clock.now_ms())
            except OSError as error:
                directory.fail(error)
                raise StorageFailed(f"Cannot delete {log.path}: {error.strerror or error}") from error

    def set_aside(self, topic: str, partition: int) -> str | None:
        """Give a log's folder another name, and forget it; nobody removes it but the user, as in Apache Kafka.

        The new path; None: the directory failed.
        """
        log = self._logs.pop((topic, partition))
        directory = self.dir_of(log)
        try:
            return directory.set_aside((topic, partition))
        except OSError as error:
            directory.fail(error)
            return None

    # -- upkeep

    def tick(self) -> None:
        """Do what is due: each log's upkeep, syncs of rolled segments, checkpoints, removals. Call it every second."""
        now_ms, timestamp_ms = self._times()
        retain = now_ms >= self._next_retention_ms
        if retain:
            self._next_retention_ms = now_ms + self._retention_check_ms
        for each in self._all_dirs:
            if each.offline is None:
                self._tick_logs(each, now_ms, timestamp_ms, retain)
        for each in self._online():
            try:
                each.remove_doomed(now_ms)
            except OSError as error:
                each.fail(error)
        if self._compaction_bytes > 0:
            self._cleaner.work(self._compaction_bytes, now_ms, timestamp_ms)
        if now_ms >= self._next_checkpoint_ms:
            self._next_checkpoint_ms = now_ms + self._checkpoint_ms
            self.checkpoint()

    def _tick_logs(self, directory: LogDir, now_ms: int, timestamp_ms: int, retain: bool) -> None:
        try:
            for log in directory:
                retains = retain and not self.futures.has(log)  # a copy follows its original
                log.tick(now_ms, timestamp_ms, log.hw, retain=retains)
                job = log.sync_job()
                if job is not None:
                    self._run(job)
        except StorageFailed:
            assert directory.offline is not None

    def checkpoint(self) -> None:
        """Write every directory's checkpoints, where something changed."""
        for each in self._online():
            try:
                each.checkpoint()
            except OSError as error:
                each.fail(error)

    def _online(self) -> list[LogDir]:
        return [each for each in self.dirs if each.offline is None]

    def describe(self) -> tuple[DirDescription, ...]:
        return tuple(self._describe(each) for each in self.dirs)

    def _describe(self, directory: LogDir) -> DirDescription:
        total = usable = -1
        logs: tuple[LogSize, ...] = ()
        if directory.offline is None:
            try:
                total, usable = self._files.disk.usage(directory.path)
                logs = tuple(self._size(log) for log in directory)
            except OSError as error:
                directory.fail(error)
        return DirDescription(directory.path, directory.directory_id, directory.offline, total, usable, logs)

    def _size(self, log: Log) -> LogSize:
        if not self.futures.has(log):
            return LogSize(*_name(log), log.size)
        current = self._logs.get(_name(log))
        return LogSize(*_name(log), log.size, is_future=True, lag=-1 if current is None else current.leo - log.leo)

    def close(self, broker_epoch: int = -1) -> None:
        """Close all logs, durably, and mark the stop as clean."""
        self._cleaner.stop()
        for each in self._all_dirs:
            each.close(broker_epoch, mark=each in self.dirs)

    def release(self) -> None:
        """Let go of the directories without closing their logs: after a failed start."""
        for each in self._all_dirs:
            each.release()


def _name(log: Log) -> PartitionName:
    return log.topic, log.partition
