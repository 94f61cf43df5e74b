"""A log's folder: segments that are written, rolled, synced, truncated, retained and closed.

What a crash may take: everything above the recovery point, from the end. A roll writes indexes, snapshot and epochs
of the old segment; `sync_job` makes them durable, and only then does the recovery point move. A log that is compacted
syncs before it begins the next segment: holes are legal there, so that a lost end would not be seen.

After a failed write or sync the log is fenced: memory and disk may differ, so it answers KAFKA_STORAGE_ERROR to
everything until it is opened anew.
Source: KAFKA-10778 (fencing), KIP-101 (truncation by epoch, which the caller does).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from server.log import checkpoints, names, recovery, retention, snapshots
from server.log.closing import close_all
from server.log.doomed import Doomed
from server.log.open_files import OpenFiles
from server.log.owner import Owner, StorageFailed
from server.log.reading import Reader
from server.log.scan import MAX_RELATIVE_OFFSET
from server.log.segment import Segment
from server.log.sync import SyncDebt, SyncJob, write_whole
from server.model.errors import ErrorCode, Rejected
from server.model.log_settings import LogSettings
from server.ports import Buffer

log = logging.getLogger(__name__)
TIME_ENTRY_BYTES = 12


class LogFolder:
    def __init__(
        self,
        files: OpenFiles,
        path: str,
        settings: LogSettings,
        loaded: recovery.Loaded,
        owner: Owner,
        jitter: Callable[[int], int],
        now_ms: int,
    ) -> None:
        self.path = path
        self.owner = owner
        self.epochs, self.producers = loaded.epochs, loaded.producers
        self.epochs.follow(lambda: self.leo)
        self.log_start_offset = loaded.log_start
        self.leo = loaded.leo
        self.recovery_point = loaded.recovery_point
        self.hw = loaded.log_start  # as last told; LogDirs keeps it in a checkpoint
        self.failed = False
        self.files = files
        self.segments = loaded.segments
        self._disk = files.disk
        self._jitter = jitter
        self._reader = Reader(self.segments)
        self._active = self.segments.active
        self._pending: list[Buffer] = []
        self._written = loaded.leo  # the end of what can be read
        self.debt = SyncDebt(path)
        self._changed = bool(loaded.unsynced)  # since it was opened
        if loaded.unsynced:
            self._owe(loaded.unsynced)
        self._flushed_ms = now_ms
        self._doomed = Doomed()
        self._set(settings)

    def _owe(self, paths: list[str]) -> None:
        if self._active.base > self.recovery_point:
            self.debt.rolled(self._active.base, paths)
        else:
            for path in paths:
                self.debt.add(path)

    def _set(self, settings: LogSettings) -> None:
        self._settings = settings
        self._active.interval = settings.index_interval_bytes
        self._max_entries = max(0, settings.segment_index_bytes // TIME_ENTRY_BYTES - 1)
        self._draw_roll()

    def _draw_roll(self) -> None:
        settings = self._settings
        stop = min(settings.segment_jitter_ms, settings.segment_ms)
        self._roll_ms = settings.segment_ms - (self._jitter(stop) if stop > 0 else 0)

    @property
    def size(self) -> int:
        """The bytes of all segments' batches."""
        return self.segments.size

    # -- failing

    def _check(self) -> None:
        if self.failed:
            raise StorageFailed(f"The log in {self.path} failed and is closed until it is opened anew.")

    def _fail(self, error: OSError) -> NoReturn:
        """Fence the log."""
        if not self.failed:
            self.failed = True
            log.error("The log in %s failed: %s", self.path, error)
            self._pending.clear()
            self.owner.log_failed(self, error)
        raise StorageFailed(f"The log in {self.path} failed: {error.strerror or error}") from error

    @contextmanager
    def storing(self) -> Iterator[None]:
        self._check()
        try:
            yield
        except OSError as error:
            self._fail(error)

    # -- growing

    def write(self) -> None:
        """Write everything staged. Raises StorageFailed; the log is fenced then."""
        pending = self._pending
        if not pending:
            return
        active = self._active
        try:
            active.file().pwritev(pending, active.written)
        except OSError as error:
            self._fail(error)
        active.written = active.size
        self._written = self.leo
        self._changed = True
        pending.clear()
        if self.leo - self.recovery_point >= self._settings.flush_messages:
            self.flush()

    def _make_room(self, size: int, last: int, max_timestamp: int, timestamp_ms: int) -> None:
        """Roll, if the active segment cannot or should not take this batch."""
        active = self._active
        if active.size == 0 and active.fits(last):
            return
        try:  # the first look after a start reads the disk
            first, entries = active.first_timestamp, len(active.offsets)
        except OSError as error:
            self._fail(error)
        waited = max_timestamp - first if first >= 0 else timestamp_ms - active.created_ms
        if (
            active.size + size > self._settings.segment_bytes
            or waited > self._roll_ms
            or entries >= self._max_entries
            or not active.fits(last)
        ):
            self.roll(timestamp_ms, max(self.leo, last - MAX_RELATIVE_OFFSET))

    def roll(self, timestamp_ms: int, base: int | None = None) -> None:
        """Begin a new segment at `base`, default the LEO, unless the active one is new. Raises StorageFailed."""
        self.write()
        base = self.leo if base is None else base
        if base == self._active.base:
            return
        with self.storing():
            old = self._active
            old.close_times()
            paths = [old.log_path, *old.save_indexes()]
            paths.append(snapshots.write(self._disk, self.path, self.leo, self.producers))
            self._save_epochs()
            self.debt.rolled(self.leo, paths)
        # With the recovery point behind the old segment, its indexes and snapshot are trusted: they must be durable.
        if "compact" in self._settings.cleanup_policy or self.recovery_point >= self.leo:
            self.flush()
        with self.storing():
            self._start_segment(base, timestamp_ms)

    def _start_segment(self, base: int, timestamp_ms: int) -> None:
        interval = self._settings.index_interval_bytes
        self._active = Segment.create(self.files, self.path, base, interval=interval, created_ms=timestamp_ms)
        self.segments.add(self._active)
        self.debt.add(self._active.log_path)
        self._draw_roll()
        self._changed = True

    def _save_epochs(self) -> None:
        if self.epochs.dirty:
            self._disk.replace(f"{self.path}/{names.EPOCHS}", checkpoints.format_epochs(self.epochs.entries))
            self.epochs.dirty = False

    # -- syncing

    def flush(self) -> None:
        """Make everything in the log survive a power cut, and move the recovery point to the LEO."""
        self.write()
        if self.recovery_point >= self.leo and not self.debt:
            return
        with self.storing():
            self.debt.pay(self._disk, [self._active.log_path])
        self.recovery_point = self.leo

    def sync_job(self) -> SyncJob | None:
        """The sync of the rolled segments, for any thread; its `finish` moves the recovery point. None: not needed."""
        return None if self.failed else self.debt.job(self._disk, self._synced)

    def _synced(self, offset: int, error: OSError | None) -> None:
        if error is None:
            self.recovery_point = max(self.recovery_point, offset)
        elif not self.failed:
            with suppress(StorageFailed):  # the owner is told
                self._fail(error)

    # -- shrinking

    def truncate_to(self, offset: int) -> None:
        """Drop every batch that holds `offset` or follows it, durably. The LEO may come to lie before `offset`."""
        self.write()
        if offset >= self.leo:
            return
        with self.storing():
            last = self.segments[self.segments.floor(offset)]
            found = last.locate(offset)
            end = offset if found is None else min(offset, found[1].base_offset)
            if end < self.log_start_offset or offset <= self.log_start_offset:
                self.truncate_fully_and_start_at(min(offset, self.log_start_offset))
                return
            self._lower_recovery_point(end)
            self._reader.forget()
            for segment in reversed(list(self.segments)):
                if segment is last:
                    break
                self._retire(segment)
            self._active = last
            if found is not None:
                last.truncate(found[0], end)
            self.leo = end
            self._settle(self.leo + 1)
            first = self.segments[0].base
            kept = [offset for offset in snapshots.offsets(self._disk, self.path) if offset >= first]
            start = snapshots.load(self._disk, self.path, kept, self.leo, self.producers) or 0
            recovery.recall(self.segments, self.producers, start)
            recovery.replay(self.segments, self.producers, start, self.leo)
        self.flush()

    def truncate_fully_and_start_at(self, offset: int, timestamp_ms: int = 0) -> None:
        """Drop everything; the log is empty and begins at `offset`."""
        self.write()
        with self.storing():
            lower = offset < self.log_start_offset
            self.log_start_offset = offset
            self._lower_recovery_point(offset, always=lower)
            self._reader.forget()
            for segment in reversed(list(self.segments)):
                self._retire(segment)
            self.leo = offset
            self._start_segment(offset, timestamp_ms)
            self.epochs.clear()
            self.producers.clear()
            self._settle(0)
            self.recovery_point = offset
        self.flush()

    def _lower_recovery_point(self, offset: int, *, always: bool = False) -> None:
        if self.recovery_point > offset or always:
            self.recovery_point = min(offset, self.recovery_point)
            self.owner.checkpoint_now(self)

    def _settle(self, drop_snapshots_from: int) -> None:
        """Bring everything else in line with a LEO that moved."""
        self._written = self.leo
        self.hw = min(self.hw, self.leo)
        self.epochs.truncate_end(self.leo)
        self._save_epochs()
        snapshots.drop(self._disk, self.path, drop_snapshots_from)
        self._changed = True
        self.debt.add(self._active.log_path)

    def _retire(self, segment: Segment) -> None:
        """Take a segment out, durably; its files go after file.delete.delay.ms."""
        self.doom(segment)
        # In order: were a crash to bring back one segment and not the next, the log would have a hole.
        self._disk.sync_dir(self.path)
        self.segments.remove(segment)
        self._changed = True

    def doom(self, segment: Segment, *, snapshot: bool = True) -> None:
        """Rename a segment's files, and the snapshot at its beginning, for a later removal."""
        segment.close()
        for suffix in (*names.SEGMENT_SUFFIXES, names.SNAPSHOT) if snapshot else names.SEGMENT_SUFFIXES:
            path = segment.stem + suffix
            if self._disk.exists(path):
                self._disk.rename(path, path + names.DELETED)
                self._doomed.add(path + names.DELETED)

    def replaced(self, old: list[Segment], new: Segment) -> None:
        """Compaction has put one segment where a run of them was."""
        self.segments.replace(old, new)
        self._reader.forget()

    def advance_log_start(self, offset: int) -> None:
        """Move the log start offset forward, durably. Raises Rejected(OFFSET_OUT_OF_RANGE): beyond the LEO."""
        self._check()
        if offset > self.leo:
            raise Rejected(ErrorCode.OFFSET_OUT_OF_RANGE, f"The log ends at {self.leo}, before {offset}.")
        if offset > self.log_start_offset:
            self._start_at(offset)
            with self.storing():
                self.owner.checkpoint_now(self)

    def _start_at(self, offset: int) -> None:
        self.log_start_offset = offset
        self.hw = max(self.hw, offset)
        self.epochs.truncate_start(offset)
        self._changed = True

    # -- upkeep

    def tick(self, now_ms: int, timestamp_ms: int, hw: int, *, retain: bool = True) -> None:
        """Do what is due: retention, delayed removals, the time-based flush, the expiry of producers."""
        self._check()
        self.hw = hw
        if not retain and not self._doomed and self.recovery_point >= self.leo:
            self._flushed_ms = now_ms
            return
        with self.storing():
            if retain:
                self._apply_retention(timestamp_ms)
                self.producers.expire(timestamp_ms, self._settings.producer_id_expiration_ms)
            self._doomed.remove_due(self._disk, now_ms, self._settings.file_delete_delay_ms)
        if self.recovery_point >= self.leo:
            self._flushed_ms = now_ms
        elif now_ms - self._flushed_ms >= self._settings.flush_ms:
            self.flush()
            self._flushed_ms = now_ms

    def _apply_retention(self, timestamp_ms: int) -> None:
        count = retention.deletable(
            self.segments,
            self._settings,
            leo=self.leo,
            hw=self.hw,
            log_start=self.log_start_offset,
            timestamp_ms=timestamp_ms,
            modified_ms=lambda segment: self._disk.modified_ms(segment.log_path),
        )
        if not count:
            return
        if count == len(self.segments):
            self.roll(timestamp_ms)
        if self.recovery_point < self.segments[count].base:
            self.flush()  # what the gone segments say of producers must be in a durable snapshot
        self._reader.forget()
        for segment in list(self.segments)[:count]:
            log.info("Deleting segment %d of %s", segment.base, self.path)
            self._retire(segment)
        if self.segments[0].base > self.log_start_offset:
            self._start_at(self.segments[0].base)

    def close(self) -> None:
        """Make everything durable, so that no recovery is needed; close the files. A failed log is only closed."""
        try:
            close_all(self._disk, [self])
        except OSError as error:
            self._fail(error)

    def put_down(self) -> bool:
        """Write what a clean stop owes the next start, without a sync; False: nothing had changed."""
        self.write()
        if not self._changed and not self.debt:
            return False
        with self.storing():
            self._active.close_times()
            for path in [self._active.log_path, *self._active.save_indexes()]:
                self.debt.add(path)
            if self.leo > self.log_start_offset or len(self.producers):
                self.debt.add(snapshots.write(self._disk, self.path, self.leo, self.producers))
            if self.epochs.dirty:
                path = f"{self.path}/{names.EPOCHS}{names.NEW}"
                write_whole(self._disk, path, checkpoints.format_epochs(self.epochs.entries))
                self.debt.add(path)
        return True

    def name_epochs(self) -> None:
        """Give the epochs that are synced by now their name."""
        with self.storing():
            if self.epochs.dirty:
                path = f"{self.path}/{names.EPOCHS}"
                self._disk.rename(path + names.NEW, path)
                self.epochs.dirty = False

    def settled(self) -> None:
        """All that `put_down` wrote is durable."""
        self.debt.paid()
        self.recovery_point = self.leo
        self._changed = False

    def abandon(self) -> None:
        """Close the files and refuse everything from now on: the log is being deleted."""
        self.failed = True
        self.close_files()

    def close_files(self) -> None:
        self._pending.clear()
        for segment in self.segments:
            segment.close()
