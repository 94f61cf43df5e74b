"""One segment of a log: the `.log` file with its batches, and its three indexes.

Files are opened and indexes read when they are first needed. The active segment's indexes grow in memory and are saved
at rolls, flushes and closes: after a crash they are built again from the batches. What is staged (`size`) may be ahead
of what is written (`written`); only what is written can be read.

Offsets are absolute, but for those inside indexes, which count from `base`.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from server.log import names, offset_index, scan, time_index, txn_index
from server.log.offset_index import OffsetIndex
from server.log.open_files import OpenFiles
from server.log.scan import MAX_RELATIVE_OFFSET
from server.log.sync import sync_all
from server.log.time_index import NO_TIMESTAMP, TimeIndex
from server.log.txn_index import AbortedTxn, TxnIndex
from server.model.errors import ErrorCode, Rejected
from server.ports import File
from server.records.batch import HEADER_SIZE, Header, header

log = logging.getLogger(__name__)
Index = TypeVar("Index", OffsetIndex, TimeIndex, TxnIndex)


class Segment:
    __slots__ = (
        "_files",
        "_first_timestamp",
        "_max_timestamp",
        "_offsets",
        "_since_index",
        "_times",
        "_txns",
        "base",
        "created_ms",
        "interval",
        "log_path",
        "size",
        "stem",
        "written",
    )

    def __init__(self, files: OpenFiles, folder: str, base: int, size: int, *, interval: int, created_ms: int) -> None:
        self._files = files
        self.base = base
        self.stem = f"{folder}/{names.stem(base)}"
        self.log_path = self.stem + names.LOG
        self.size = self.written = size
        self.interval = interval  # bytes between index entries
        self.created_ms = created_ms  # wall clock
        self._offsets: OffsetIndex | None = None
        self._times: TimeIndex | None = None
        self._txns: TxnIndex | None = None
        self._max_timestamp: tuple[int, int] | None = None  # and the last offset of the first batch that has it
        self._first_timestamp: int | None = None
        self._since_index = 0

    @classmethod
    def create(
        cls, files: OpenFiles, folder: str, base: int, *, interval: int, created_ms: int, new: bool = False
    ) -> "Segment":
        """Make an empty segment; files that a crash left under its name are emptied. Its name is not durable yet.

        new: the folder was made just now, and holds nothing.
        """
        segment = cls(files, folder, base, 0, interval=interval, created_ms=created_ms)
        for suffix in () if new else (names.INDEX, names.TIME_INDEX, names.TXN_INDEX):
            if files.disk.exists(segment.stem + suffix):
                files.disk.remove(segment.stem + suffix)
        file = files.disk.open(segment.log_path, create=True)
        try:
            if not new and file.size():
                file.truncate(0)
        finally:
            file.close()
        segment._offsets, segment._times, segment._txns = OffsetIndex(), TimeIndex(), TxnIndex()
        segment._max_timestamp, segment._first_timestamp = (NO_TIMESTAMP, base), NO_TIMESTAMP
        return segment

    def file(self) -> File:
        return self._files.file(self)

    # -- indexes

    @property
    def offsets(self) -> OffsetIndex:
        if self._offsets is None:
            self._load()
            assert self._offsets is not None
        return self._offsets

    @property
    def times(self) -> TimeIndex:
        if self._times is None:
            self._load()
            assert self._times is not None
        return self._times

    @property
    def txns(self) -> TxnIndex:
        if self._txns is None:
            found = self._parse(names.TXN_INDEX, txn_index.parse)
            # Without aborted transactions there is no file.
            self._txns = found if found is not None else TxnIndex()
        return self._txns

    def _load(self) -> None:
        """Read the offset and the time index, or build both from the batches."""
        size = self.written
        offsets = self._parse(names.INDEX, lambda data: offset_index.parse(data, size))
        times = self._parse(names.TIME_INDEX, time_index.parse)
        if offsets is not None and times is not None:
            self._offsets, self._times = offsets, times
        elif size == 0:
            self._offsets, self._times = OffsetIndex(), TimeIndex()
        else:
            log.warning("Building the indexes of %s again: missing or damaged", self.log_path)
            self.rebuild()

    def _parse(self, suffix: str, parse: Callable[[bytes], Index]) -> Index | None:
        try:
            return parse(self._files.disk.read(self.stem + suffix))
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.warning("%s%s is damaged: %s", self.stem, suffix, error)
            return None

    def rebuild(self) -> None:
        """Build the offset and the time index from the batches' headers, and save them."""
        self.reset_indexes()
        staged, self.size = self.size, 0
        for _, head in scan.headers(self.file(), 0, self.written, scan.BATCHES_CHUNK):
            self.note(head.size, head.last_offset, head.max_timestamp)
        self.size = staged
        self.close_times()
        sync_all(self._files.disk, self.save_indexes(), [])

    def reset_indexes(self) -> None:
        self._offsets, self._times = OffsetIndex(), TimeIndex()
        self._max_timestamp, self._first_timestamp = (NO_TIMESTAMP, self.base), None
        self._since_index = 0

    def reset_txns(self, entries: Iterable[AbortedTxn] = ()) -> None:
        self._txns = TxnIndex()
        for entry in entries:
            self._txns.add(entry)

    def save_indexes(self) -> list[str]:
        """Append what the index files lack, without a sync; return every path that an index may have."""
        for index, suffix, entry_bytes in (
            (self._offsets, names.INDEX, offset_index.ENTRY_BYTES),
            (self._times, names.TIME_INDEX, time_index.ENTRY_BYTES),
            (self._txns, names.TXN_INDEX, txn_index.ENTRY_BYTES),
        ):
            if index is None:
                continue
            path, data = self.stem + suffix, index.unsaved()
            exists = self._files.disk.exists(path)
            if not data and not exists and (suffix == names.TXN_INDEX or self.written == 0):
                continue  # who reads an empty segment needs none: a node may have thousands
            end = index.saved * entry_bytes
            if not data and exists and self._files.disk.size(path) == end:
                continue
            file = self._files.disk.open(path, create=True)
            try:
                if file.size() != end:
                    file.truncate(end)
                if data:
                    file.pwritev([data], end)
            finally:
                file.close()
            index.saved += len(data) // entry_bytes
        # All of them: one that needed nothing may still be unsynced, from a save before this one.
        return [self.stem + suffix for suffix in (names.INDEX, names.TIME_INDEX, names.TXN_INDEX)]

    def index_full(self, index_bytes: int) -> bool:
        entries = len(self.offsets)
        return entries >= index_bytes // offset_index.ENTRY_BYTES or (
            len(self.times) >= index_bytes // time_index.ENTRY_BYTES - 1
        )

    # -- growing

    def note(self, size: int, last_offset: int, max_timestamp: int) -> None:
        """Take note of a batch of `size` bytes that comes at the end."""
        if self._max_timestamp is None or self._offsets is None:
            self._wake()
        if max_timestamp > self._max_timestamp[0]:  # type: ignore[index]
            self._max_timestamp = (max_timestamp, last_offset)
        if self._since_index > self.interval:
            self.offsets.add(last_offset - self.base, self.size)
            timestamp, offset = self.max_timestamp
            self.times.add(timestamp, offset - self.base)
            self._since_index = 0
        if self.size == 0:
            self._first_timestamp = max_timestamp
        self.size += size
        self._since_index += size

    def _wake(self) -> None:
        assert self.max_timestamp is not None
        assert self.offsets is not None

    @property
    def max_timestamp(self) -> tuple[int, int]:
        """(largest timestamp, last offset of the first batch that has it); (-1, base) without any."""
        if self._max_timestamp is None:
            timestamp, offset = self.times.last
            self._max_timestamp = (timestamp, self.base + offset)
        return self._max_timestamp

    @property
    def first_timestamp(self) -> int:
        """The largest timestamp of the first batch, from which time-based rolls count; -1 without one."""
        if self._first_timestamp is None:
            data = self.file().pread(HEADER_SIZE, 0) if self.written else b""
            self._first_timestamp = header(data).max_timestamp if len(data) == HEADER_SIZE else NO_TIMESTAMP
        return self._first_timestamp

    def close_times(self) -> None:
        """Make the time index end with the largest timestamp: what a segment owes that gets no more batches."""
        timestamp, offset = self.max_timestamp
        self.times.add(timestamp, offset - self.base)

    def fits(self, last_offset: int) -> bool:
        return last_offset - self.base <= MAX_RELATIVE_OFFSET

    # -- finding

    def locate(self, offset: int) -> tuple[int, Header] | None:
        """Find the first batch that ends at `offset` or behind it. None: all end before.

        Raises Rejected(CORRUPT_MESSAGE), OSError.
        """
        start = self.offsets.before(offset - self.base)
        try:
            return self._locate_from(start, offset)
        except Rejected:
            if start == 0:
                raise
        log.warning("Building the indexes of %s again: they point between batches", self.log_path)
        self.rebuild()
        return self._locate_from(self.offsets.before(offset - self.base), offset)

    def _locate_from(self, start: int, offset: int) -> tuple[int, Header] | None:
        for position, head in scan.headers(self.file(), start, self.written):
            if head.last_offset >= offset:
                if head.last_offset > offset and position == start > 0:
                    raise Rejected(ErrorCode.CORRUPT_MESSAGE, f"{self.stem}.index points too far")
                return position, head
        return None

    def next_offset(self) -> int:
        """The offset behind the last batch, by a look at the end of the file.

        Raises Rejected(CORRUPT_MESSAGE): the file does not end with a whole batch.
        """
        if self.written == 0:
            return self.base
        start = self._last_indexed_position()
        found, end = self.base, start
        for position, head in scan.headers(self.file(), start, self.written):
            found, end = head.next_offset, position + head.size
        if end != self.written:
            raise Rejected(ErrorCode.CORRUPT_MESSAGE, f"{self.log_path} ends within a batch.")
        return found

    def _last_indexed_position(self) -> int:
        """As the offset index says, without reading all of it: a start looks at the end of every log."""
        if self._offsets is None and (entry := self._last_entry()) is not None:
            return entry.positions[0] if entry.positions else 0
        return self.offsets.positions[-1] if self.offsets.positions else 0

    def _last_entry(self) -> OffsetIndex | None:
        """The end of the index file: with one entry, or none. None: look at all of it."""
        path, entry_bytes = self.stem + names.INDEX, offset_index.ENTRY_BYTES
        try:
            size = self._files.disk.size(path)
            if size == 0:
                return OffsetIndex()
            file = self._files.disk.open(path)
        except FileNotFoundError:
            return None
        try:
            entry = offset_index.parse(file.pread(entry_bytes, size - entry_bytes), self.written)
        except ValueError:
            return None
        finally:
            file.close()
        return entry if entry.positions and size % entry_bytes == 0 else None

    # -- shrinking, moving, closing

    def truncate(self, position: int, offset: int) -> None:
        """Drop, durably, the batches from `position` on, whose offsets are from `offset` on."""
        file = self.file()
        file.truncate(position)
        # Unsynced, a crash could show old batches behind those that are written here next.
        file.sync()
        self.size = self.written = position
        relative = offset - self.base
        self.offsets.truncate(position)
        self.times.truncate(relative)
        self.txns.truncate(offset)
        self._reload_max_timestamp()
        self._since_index = 0
        if position == 0:
            self._first_timestamp = NO_TIMESTAMP

    def _reload_max_timestamp(self) -> None:
        """Find the largest timestamp again: the time index's last entry, or a batch behind it."""
        timestamp, relative = self.times.last
        largest = (timestamp, self.base + relative)
        for _, head in scan.headers(self.file(), self.offsets.before(relative), self.written):
            if head.max_timestamp > largest[0]:
                largest = (head.max_timestamp, head.last_offset)
        self._max_timestamp = largest

    def closed(self) -> None:
        """The open file was taken away: let go of indexes that the disk has."""
        for index in (self._offsets, self._times, self._txns):
            if index is not None and index.saved != (len(index.entries) if isinstance(index, TxnIndex) else len(index)):
                return
        if self._max_timestamp is not None and self._times is not None:
            last = self._times.last
            if (last[0], self.base + last[1]) != self._max_timestamp:
                return
        self._offsets = self._times = self._txns = None

    def close(self) -> None:
        self._files.close(self)
