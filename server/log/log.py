"""One partition's log: appending and reading batches.

An append has two halves. `stage` checks a batch, gives it its offsets and takes note of it, in memory; `write` puts
everything staged into the file with one vectored write. What is staged has its offsets (`leo`), but nobody can read it
until it is written. A broker stages all batches that it has at hand, then writes once.

Everything is synchronous, and belongs to one thread. What the folder does with its files is in folder.py.
Source: KIP-98, KIP-101.
"""

import logging
from collections.abc import Callable
from struct import Struct
from typing import NamedTuple
from uuid import UUID

from server.log import checkpoints, names, reading, recovery
from server.log.admission import Admission, writable
from server.log.folder import LogFolder
from server.log.open_files import OpenFiles
from server.log.owner import Nobody, Owner, StorageFailed
from server.log.producers import Batch, Origin, read_marker
from server.log.reading import Found, Slice
from server.log.sync import write_whole
from server.log.txn_index import AbortedTxn
from server.model.errors import ErrorCode, Rejected
from server.model.log_settings import LogSettings
from server.ports import Buffer, Disk
from server.records import batch
from server.records.batch import Header

log = logging.getLogger(__name__)
# The first three fields of a batch lie outside its CRC, and the second stays as it is: one call writes them all.
_stamp = Struct(">qii").pack_into
__all__ = ["Appended", "Found", "Log", "Origin", "Owner", "Slice", "StorageFailed"]


class Appended(NamedTuple):
    """What an append got. Offsets are inclusive; append_time_ms is -1 unless the topic has LogAppendTime."""

    base_offset: int
    last_offset: int
    append_time_ms: int
    log_start_offset: int
    duplicate: bool


class Log(LogFolder):
    topic: str
    partition: int
    topic_id: UUID | None

    @classmethod
    def open(
        cls,
        disk: Disk,
        path: str,
        settings: LogSettings,
        *,
        recovery_point: int,
        log_start_offset: int,
        clean_shutdown: bool,
        now_ms: int,
        timestamp_ms: int,
        topic_id: UUID | None = None,
        files: OpenFiles | None = None,
        owner: Owner | None = None,
        jitter: Callable[[int], int] = lambda stop: 0,
    ) -> "Log":
        """Open the log in folder `path`, made if need be. Raises OSError, Rejected.

        topic_id   for a folder that says none; it is written into it
        jitter     draws from [0, stop), for segment.jitter.ms
        """
        files = OpenFiles(disk) if files is None else files
        new = not disk.is_dir(path)
        if new:
            disk.make_dirs(path)
            loaded = recovery.fresh(files, path, settings, log_start_offset, timestamp_ms)
        else:
            loaded = recovery.load(
                files,
                path,
                settings,
                recovery_point=recovery_point,
                log_start=log_start_offset,
                clean=clean_shutdown,
                timestamp_ms=timestamp_ms,
            )
        opened = cls(files, path, settings, loaded, owner or Nobody(), jitter, now_ms)
        found = names.parse_folder(path.rpartition("/")[2])
        assert found is not None, path
        opened.topic, opened.partition = found.topic, found.partition
        if new:
            opened.debt.new_folder()
            opened.topic_id = None
        else:
            opened._read_topic_id()
        if topic_id is not None and opened.topic_id is None:
            opened.assign_topic_id(topic_id)
        return opened

    def _set(self, settings: LogSettings) -> None:
        super()._set(settings)
        self._admission = Admission(settings)

    @property
    def settings(self) -> LogSettings:
        return self._settings

    @settings.setter
    def settings(self, settings: LogSettings) -> None:
        self._set(settings)

    def _read_topic_id(self) -> None:
        path = f"{self.path}/{names.PARTITION_METADATA}"
        self.topic_id = None
        try:
            self.topic_id = checkpoints.parse_partition_metadata(self._disk.read(path))
        except FileNotFoundError:
            return
        except ValueError as error:  # torn in a crash soon after it was made
            log.warning("Ignoring %s: %s", path, error)

    def assign_topic_id(self, topic_id: UUID) -> None:
        """Write partition.metadata. It is durable with the log's first sync, as the folder itself is."""
        path = f"{self.path}/{names.PARTITION_METADATA}"
        with self.storing():
            write_whole(self._disk, path, checkpoints.format_partition_metadata(topic_id))
        self.topic_id = topic_id
        self.debt.add(path)
        self._changed = True

    # -- appending

    def stage(
        self,
        data: Buffer,
        leader_epoch: int,
        timestamp_ms: int,
        *,
        origin: Origin = Origin.CLIENT,
        zstd: bool = True,
    ) -> Appended:
        """Give batches their offsets, as the leader; `write` makes them readable.

        data     one batch from a client or a coordinator; batches without producer id from a raft leader. A writable
                 buffer is stamped and kept as it is: it must stay until `write`. Read-only bytes are copied
        zstd     whether the Produce version knows zstd
        raises   Rejected; then nothing has changed
        """
        if self.failed:
            self._check()
        if origin is Origin.RAFT_LEADER:
            return self._stage_all(data, leader_epoch, timestamp_ms)
        data, head = self._admission.admit(data, origin, timestamp_ms, zstd)
        if head.producer_id < 0:
            base = self._place(data, head, len(data), leader_epoch, timestamp_ms)
        elif head.is_control:
            base = self._stage_marker(data, head, leader_epoch, timestamp_ms)
        else:
            if self.producers.verifications and origin is Origin.CLIENT:
                self.producers.check_waiting(head)
            known = self.producers.check(head, origin, never_written=self.leo == 0)
            if known is not None:
                return self._duplicate(known)
            base = self._place(data, head, len(data), leader_epoch, timestamp_ms)
            self.producers.update(head, base)
        append_time_ms = timestamp_ms if self._admission.append_time else -1
        return Appended(base, self.leo - 1, append_time_ms, self.log_start_offset, False)

    def _stage_marker(self, data: Buffer, head: Header, leader_epoch: int, timestamp_ms: int) -> int:
        marker = read_marker(data, 0, head)
        if marker is None:
            raise Rejected(ErrorCode.INVALID_RECORD, "A control batch with a producer id must hold a marker.")
        self.producers.check_marker(head, marker)
        base = self._place(data, head, len(data), leader_epoch, timestamp_ms)
        aborted = self.producers.end(head, marker, base)
        if aborted is not None:
            self._active.txns.add(aborted)
        return base

    def _stage_all(self, data: Buffer, leader_epoch: int, timestamp_ms: int) -> Appended:
        """Stage a raft leader's batches."""
        view = memoryview(data)
        heads = [(at, batch.verify(view, at)) for at, _ in batch.headers(view)]
        if not heads or heads[-1][0] + heads[-1][1].size != len(data) or any(h.producer_id >= 0 for _, h in heads):
            raise Rejected(ErrorCode.INVALID_RECORD, "There must be whole record batches, without producer id.")
        first = self.leo
        for at, head in heads:
            self._place(view[at : at + head.size], head, head.size, leader_epoch, timestamp_ms)
        return Appended(first, self.leo - 1, -1, self.log_start_offset, False)

    def _duplicate(self, known: Batch) -> Appended:
        time = known.timestamp if self._admission.append_time else -1
        return Appended(known.base_offset, known.last_offset, time, self.log_start_offset, True)

    def _place(self, data: Buffer, head: Header, size: int, leader_epoch: int, timestamp_ms: int) -> int:
        """Put one checked batch at the end; return its base offset."""
        base = self.leo
        last = base + head.last_offset_delta
        self._make_room(size, last, head.max_timestamp, timestamp_ms)
        latest = self.epochs.latest
        if leader_epoch != latest and (latest is None or leader_epoch > latest):
            self.epochs.assign(leader_epoch, base)
        stamped = data if type(data) is bytearray else writable(data)
        _stamp(stamped, 0, base, head.batch_length, leader_epoch)
        self._active.note(size, last, head.max_timestamp)
        self._pending.append(stamped)
        self.leo = last + 1
        return base

    def append(
        self,
        data: Buffer,
        leader_epoch: int,
        timestamp_ms: int,
        *,
        origin: Origin = Origin.CLIENT,
        zstd: bool = True,
    ) -> Appended:
        """Stage and write."""
        appended = self.stage(data, leader_epoch, timestamp_ms, origin=origin, zstd=zstd)
        self.write()
        return appended

    def append_as_follower(self, data: Buffer, timestamp_ms: int = 0) -> None:
        """Append what the leader sent, offsets and epochs as they are; a torn batch at its end is left out.

        Offsets may have gaps, as compaction leaves them, but must not go back; only an empty log takes a first batch
        that begins before its start and reaches beyond, since a log start offset may lie within a batch.
        Raises Rejected: CORRUPT_MESSAGE, OFFSET_OUT_OF_RANGE; then nothing has changed.
        """
        self._check()
        view, expected, placed = memoryview(data), self.leo, []
        straddling = self._straddling(view)
        if straddling is not None:
            expected = straddling
        for at, _ in batch.headers(view):
            head = batch.verify(view, at)
            if head.base_offset < expected:
                raise Rejected(
                    ErrorCode.OFFSET_OUT_OF_RANGE, f"Offset {head.base_offset} came where {expected} is the next one."
                )
            if head.is_control and head.producer_id >= 0:
                read_marker(view, at, head)  # it raises here, where nothing has changed
            expected = head.next_offset
            placed.append((at, head))
        if straddling is not None:
            start = self.log_start_offset
            self.truncate_fully_and_start_at(straddling, timestamp_ms)
            self.log_start_offset = start
            with self.storing():
                self.owner.checkpoint_now(self)
        for at, head in placed:
            self._make_room(head.size, head.last_offset, head.max_timestamp, timestamp_ms)
            latest = self.epochs.latest
            if latest is None or head.partition_leader_epoch > latest:
                self.epochs.assign(head.partition_leader_epoch, head.base_offset)
            self._active.note(head.size, head.last_offset, head.max_timestamp)
            self._pending.append(view[at : at + head.size])
            self.leo = head.next_offset
            aborted = self.producers.replay(head, view, at)
            if aborted is not None:
                self._active.txns.add(aborted)
        self.write()

    def _straddling(self, view: memoryview) -> int | None:
        """The base offset of a first batch that the empty log's start falls into."""
        if self.leo != self.log_start_offset or len(view) < batch.HEADER_SIZE:
            return None
        head = batch.header(view)
        return head.base_offset if head.base_offset < self.leo <= head.last_offset else None

    # -- reading

    def read(self, offset: int, max_bytes: int, end_offset: int, *, minimum_one: bool = True) -> Slice:
        """Read whole batches from `offset` on.

        offset        inclusive; the batch that it falls into is given whole
        end_offset    exclusive: high watermark, LSO or LEO; a batch that reaches beyond is left out
        minimum_one   give the first batch even if it is larger than max_bytes
        raises        Rejected: OFFSET_OUT_OF_RANGE below the log start or above the LEO; CORRUPT_MESSAGE
        """
        if self.failed:
            self._check()
        if not self.log_start_offset <= offset <= self.leo:
            raise Rejected(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Offset {offset} is not within [{self.log_start_offset}, {self.leo}].",
            )
        end = min(end_offset, self._written)
        if offset >= end:
            return Slice(b"", offset, self._active.base, self._active.written)
        try:
            return self._reader.read(offset, max_bytes, end, minimum_one)
        except OSError as error:
            self._fail(error)

    def offset_by_timestamp(self, timestamp: int) -> Found | None:
        """Find the first record at `timestamp` (ms) or later. Raises Rejected(CORRUPT_MESSAGE)."""
        with self.storing():
            return reading.offset_by_timestamp(self.segments, timestamp, self.log_start_offset)

    def max_timestamp(self) -> Found | None:
        """Find the first record with the largest timestamp. Raises Rejected(CORRUPT_MESSAGE)."""
        with self.storing():
            return reading.latest_by_timestamp(self.segments, self.log_start_offset)

    def lso(self, hw: int) -> int:
        """The last stable offset, given the high watermark."""
        return max(self.producers.lso(hw), self.log_start_offset)

    @property
    def first_unstable_offset(self) -> int | None:
        return self.producers.first_unstable_offset

    def aborted(self, start: int, end: int) -> list[AbortedTxn]:
        """Find the aborted transactions with records in [start, end)."""
        with self.storing():
            return reading.aborted(self.segments, start, end)
