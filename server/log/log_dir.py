"""One log directory: its lock, its identity, its logs, those that are being moved here, and their checkpoints.

A partition has its log here, or a future one that becomes its log once it has all (`-future` in its folder's name), and
never both. Checkpoints name either.

When a disk operation fails here, the directory goes offline with all its logs; a node lives on with the others.
"""

import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import UUID

from server.log import checkpoints, meta_properties, names
from server.log.checkpoints import PartitionName
from server.log.closing import close_all
from server.log.folder import LogFolder
from server.log.log import Log
from server.log.meta_properties import MetaProperties, NotFormatted, UnusableDirectory
from server.log.open_files import OpenFiles
from server.log.owner import StorageFailed
from server.model.errors import Rejected
from server.model.ids import METADATA_TOPIC, DirectoryId
from server.model.log_settings import LogSettings
from server.ports import Lock, Rng

log = logging.getLogger(__name__)
LOCK = ".lock"
NO_EPOCH = -1
LOGS_A_STEP = 50  # opened between two looks at what else is to be done


class Marks(NamedTuple):
    """What a directory's checkpoints say, by topic and partition."""

    recovery_points: dict[PartitionName, int]
    log_starts: dict[PartitionName, int]
    hws: dict[PartitionName, int]


class LogDir:
    def __init__(self, files: OpenFiles, path: str, rng: Rng, on_offline: Callable[["LogDir"], None]) -> None:
        self.path = path
        self.meta: MetaProperties | None = None
        self.logs: dict[PartitionName, Log] = {}
        self.futures: dict[PartitionName, Log] = {}
        self.metadata_log: Log | None = None
        self.offline: str | None = None  # why
        self.clean_epoch = NO_EPOCH  # of the broker that stopped cleanly here before
        self._loaded = False  # till then its files say more than is known here, and stay as they are
        self._files, self._disk, self._rng = files, files.disk, rng
        self._on_offline = on_offline
        self._lock: Lock | None = None
        self._doomed: list[tuple[int, str]] = []  # (when to remove, folder)
        self._found_doomed: list[str] = []
        self._last_written: dict[str, bytes] = {}
        self._cleaned: dict[PartitionName, int] = {}  # where the last compaction ended
        self._named: set[PartitionName] = set()  # in the checkpoints as they were written last

    @property
    def directory_id(self) -> DirectoryId | None:
        return self.meta.directory_id if self.meta else None

    def __iter__(self) -> Iterator[Log]:
        """All its logs, future ones and the metadata log with them."""
        yield from list(self.logs.values())
        yield from list(self.futures.values())
        if self.metadata_log is not None:
            yield self.metadata_log

    # -- identity

    def claim(self) -> None:
        """Lock it and read meta.properties. Raises UnusableDirectory; an OSError takes it offline."""
        if not self._disk.is_dir(self.path):
            if self._disk.exists(self.path):
                raise UnusableDirectory(f"Log directory {self.path} is not a directory.")
            raise NotFormatted(f"Log directory {self.path} does not exist. {_FORMAT}")
        try:
            self._lock = self._disk.lock(f"{self.path}/{LOCK}")
        except BlockingIOError as error:
            raise UnusableDirectory(
                f"Log directory {self.path} is in use: another process holds {self.path}/{LOCK}."
            ) from error
        path = f"{self.path}/{meta_properties.FILE}"
        try:
            text = self._disk.read(path).decode("utf-8")
        except FileNotFoundError as error:
            raise NotFormatted(f"Log directory {self.path} is not formatted. {_FORMAT}") from error
        except UnicodeDecodeError as error:
            raise UnusableDirectory(f"Cannot read {path}: it is not text.") from error
        self.meta = meta_properties.parse(text, path)
        if self.meta.version == 0 and self.meta.node_id is None:
            raise UnusableDirectory(
                f"{path} is damaged: it names neither a version nor a node. Restore it from a copy."
            )
        if self.meta.version == 0:
            raise UnusableDirectory(f"{path} was written for ZooKeeper mode, which is gone. {_FORMAT}")
        self._read_clean_mark()

    def adopt(self, meta: MetaProperties, timestamp_ms: int) -> None:
        """Write this identity into the directory."""
        self.meta = meta
        self._disk.replace(f"{self.path}/{meta_properties.FILE}", meta_properties.format(meta, timestamp_ms).encode())

    # -- logs

    def loading(
        self,
        settings_of: Callable[[str], LogSettings],
        now_ms: int,
        timestamp_ms: int,
    ) -> Iterator[None]:
        """Open every log, some in each step. An OSError takes the directory offline."""
        try:
            clean = self._take_clean_mark()
            marks = self._read_marks()
            self._cleaned = self._read_offsets(checkpoints.CLEANED)
            for at, name in enumerate(self._disk.list(self.path), 1):
                if at % LOGS_A_STEP == 0:
                    yield
                found = names.parse_folder(name)
                if found is None or found.topic == METADATA_TOPIC or not self._disk.is_dir(f"{self.path}/{name}"):
                    continue
                key, future = (found.topic, found.partition), found.mark == names.FOLDER_FUTURE
                if found.mark == names.FOLDER_DELETED or (future and key in self.futures):
                    self._found_doomed.append(f"{self.path}/{name}")
                elif found.mark and not future:
                    log.warning("Leaving %s/%s alone", self.path, name)
                else:
                    self._load_log(name, key, future, settings_of, marks, clean, now_ms, timestamp_ms)
                    if not clean:
                        yield  # it may have been read whole
            # A crash in recovery leaves checkpoints that are right; the first append afterwards would not.
            self._loaded = True
            self.checkpoint()
        except OSError as error:
            self.fail(error)

    def _load_log(
        self,
        name: str,
        key: PartitionName,
        future: bool,
        settings_of: Callable[[str], LogSettings],
        marks: Marks,
        clean: bool,
        now_ms: int,
        timestamp_ms: int,
    ) -> None:
        try:
            opened = Log.open(
                self._disk,
                f"{self.path}/{name}",
                settings_of(key[0]),
                recovery_point=marks.recovery_points.get(key, 0),
                log_start_offset=marks.log_starts.get(key, 0),
                clean_shutdown=clean,
                now_ms=now_ms,
                timestamp_ms=timestamp_ms,
                files=self._files,
                owner=self,
                jitter=self._rng.below,
            )
        except Rejected as damage:
            log.error("Cannot open the log in %s/%s: %s", self.path, name, damage)
            return
        opened.hw = min(max(marks.hws.get(key, 0), opened.log_start_offset), opened.leo)
        (self.futures if future else self.logs)[key] = opened

    def create(
        self,
        key: PartitionName,
        settings: LogSettings,
        topic_id: UUID | None,
        now_ms: int,
        timestamp_ms: int,
        *,
        future: bool = False,
    ) -> Log:
        """Open a log that is not loaded, made if need be. Raises OSError, Rejected."""
        if key in self._named:
            self.checkpoint()  # an earlier log of this name must not lend it its offsets
        unique = self._rng.uuid().hex if future else ""
        name = names.marked_folder(*key, unique, names.FOLDER_FUTURE) if future else names.folder(*key)
        opened = Log.open(
            self._disk,
            f"{self.path}/{name}",
            settings,
            recovery_point=0,
            log_start_offset=0,
            clean_shutdown=False,
            now_ms=now_ms,
            timestamp_ms=timestamp_ms,
            topic_id=topic_id,
            files=self._files,
            owner=self,
            jitter=self._rng.below,
        )
        if key[0] == METADATA_TOPIC:
            self.metadata_log = opened
        else:
            (self.futures if future else self.logs)[key] = opened
        return opened

    def promote(self, key: PartitionName, now_ms: int, timestamp_ms: int) -> Log:
        """Make the log of a future one, which was closed durably, and has all. Raises OSError, Rejected."""
        future = self.futures.pop(key)
        future.abandon()  # a sync of it that is under way in a thread must not find fault with its folder's name
        path = f"{self.path}/{names.folder(*key)}"
        self._disk.rename(future.path, path)
        self._disk.sync_dir(self.path)
        self.logs[key] = self._reopened(path, future, now_ms, timestamp_ms)
        return self.logs[key]

    def restore(self, key: PartitionName, closed: Log, now_ms: int, timestamp_ms: int) -> Log:
        """Take back the last `delete`, of this log, which was closed durably. Raises OSError, Rejected."""
        _, path = self._doomed.pop()
        self._disk.rename(path, closed.path)
        self._disk.sync_dir(self.path)
        self.logs[key] = self._reopened(closed.path, closed, now_ms, timestamp_ms)
        return self.logs[key]

    def _reopened(self, path: str, closed: Log, now_ms: int, timestamp_ms: int) -> Log:
        opened = Log.open(
            self._disk,
            path,
            closed.settings,
            recovery_point=closed.leo,
            log_start_offset=closed.log_start_offset,
            clean_shutdown=True,
            now_ms=now_ms,
            timestamp_ms=timestamp_ms,
            topic_id=closed.topic_id,
            files=self._files,
            owner=self,
            jitter=self._rng.below,
        )
        opened.hw = closed.hw
        return opened

    def delete(self, key: PartitionName, now_ms: int) -> None:
        """Take a log away: its folder gets another name now, and goes later. Raises OSError."""
        delay_ms = self.logs[key].settings.file_delete_delay_ms
        self._doomed.append((now_ms + delay_ms, self._rename(key, self.logs, names.FOLDER_DELETED)))

    def discard_future(self, key: PartitionName) -> None:
        """Take a future log away, and its folder at the next tick. Raises OSError."""
        self._found_doomed.append(self._rename(key, self.futures, names.FOLDER_DELETED))

    def set_aside(self, key: PartitionName) -> str:
        """Take a log out of service, and keep its folder under another name: the new path. Raises OSError."""
        return self._rename(key, self.logs, names.FOLDER_STRAY)

    def _rename(self, key: PartitionName, logs: dict[PartitionName, Log], mark: str) -> str:
        """Close a log and mark its folder; the new path."""
        log = logs.pop(key)
        self._cleaned.pop(key, None)
        log.abandon()
        path = f"{self.path}/{names.marked_folder(*key, self._rng.uuid().hex, mark)}"
        self._disk.rename(log.path, path)
        self._disk.sync_dir(self.path)
        return path

    def remove_doomed(self, now_ms: int) -> None:
        """Remove the folders whose time has come; those that a crash left behind, at once."""
        due = [path for when, path in self._doomed if when <= now_ms] + self._found_doomed
        self._doomed = [(when, path) for when, path in self._doomed if when > now_ms]
        self._found_doomed = []
        for path in due:
            if self._disk.is_dir(path):
                self._disk.remove_tree(path)

    # -- failing

    def fail(self, error: OSError) -> None:
        """Go offline: fence every log here, and tell."""
        if self.offline is None:
            self.offline = error.strerror or str(error)
            log.error("Log directory %s goes offline: %s", self.path, error)
            for each in self:
                each.abandon()
            self._on_offline(self)

    def log_failed(self, log: LogFolder, error: OSError) -> None:
        self.fail(error)

    def checkpoint_now(self, log: LogFolder) -> None:
        assert isinstance(log, Log)
        if self.cleaned_to(log) > log.recovery_point:
            self.note_cleaned(log, log.recovery_point)
        self.checkpoint()

    def cleaned_to(self, log: Log) -> int:
        """Where the last compaction of this log ended; 0 without any."""
        return self._cleaned.get((log.topic, log.partition), 0)

    def note_cleaned(self, log: Log, offset: int) -> None:
        """Remember, durably, where a compaction ended. Raises OSError."""
        self._cleaned[log.topic, log.partition] = offset
        self._write(checkpoints.CLEANED, ((*key, end) for key, end in self._cleaned.items()))

    # -- checkpoints

    def _take_clean_mark(self) -> bool:
        """Whether the last stop was clean; the mark is gone afterwards, before anything changes."""
        path = f"{self.path}/{checkpoints.CLEAN_SHUTDOWN}"
        if not self._disk.exists(path):
            return False
        self._disk.remove(path)
        self._disk.sync_dir(self.path)
        return True

    def _read_clean_mark(self) -> None:
        """Note whose clean stop it was; a broker says so when it registers, before its logs are loaded."""
        path = f"{self.path}/{checkpoints.CLEAN_SHUTDOWN}"
        if self._disk.exists(path):
            self.clean_epoch = checkpoints.parse_clean_shutdown(self._disk.read(path))

    def _read_marks(self) -> Marks:
        return Marks(
            self._read_offsets(checkpoints.RECOVERY_POINTS),
            self._read_offsets(checkpoints.LOG_STARTS),
            self._read_offsets(checkpoints.HIGH_WATERMARKS),
        )

    def _read_offsets(self, name: str) -> dict[PartitionName, int]:
        path = f"{self.path}/{name}"
        try:
            data = self._disk.read(path)
            found = checkpoints.parse_offsets(data)
        except FileNotFoundError:
            return {}
        except ValueError as error:  # without it more is recovered, never less
            log.warning("Ignoring %s: %s", path, error)
            return {}
        self._last_written[name] = data
        self._named |= set(found)
        return found

    def checkpoint(self) -> None:
        """Write recovery points, log start offsets and high watermarks, durably. Raises OSError."""
        if not self._loaded:
            return
        logs = self.logs | self.futures
        self._write(
            checkpoints.RECOVERY_POINTS, ((topic, index, each.recovery_point) for (topic, index), each in logs.items())
        )
        self._write(
            checkpoints.LOG_STARTS,
            (
                (topic, index, each.log_start_offset)
                for (topic, index), each in logs.items()
                # Even where the first segment's name says it: that name may not be durable yet.
                if each.log_start_offset > 0
            ),
        )
        self._write(checkpoints.HIGH_WATERMARKS, ((topic, index, each.hw) for (topic, index), each in logs.items()))
        self._named = set(logs)

    def _write(self, name: str, rows: Iterator[tuple[str, int, int]]) -> None:
        data = checkpoints.format_offsets(rows)
        if self._last_written.get(name) != data:
            self._disk.replace(f"{self.path}/{name}", data)
            self._last_written[name] = data

    # -- the end

    def close(self, broker_epoch: int, *, mark: bool = True) -> None:
        """Close every log; if all went well, leave the mark that the next start needs no recovery.

        A directory whose logs were never loaded is left as it was found: whole or not.
        """
        if self.offline is None:
            try:
                close_all(self._disk, self)
                if mark and self._loaded:
                    self.checkpoint()
                    self._disk.replace(
                        f"{self.path}/{checkpoints.CLEAN_SHUTDOWN}", checkpoints.format_clean_shutdown(broker_epoch)
                    )
            except StorageFailed:
                pass  # it went offline, and that was logged
            except OSError as error:
                self.fail(error)
        self.release()

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


_FORMAT = "Run `kcli storage format -t CLUSTER_ID -c CONFIG` first."
