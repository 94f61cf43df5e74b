"""Reading a log: batches from an offset on, offsets by time, aborted transactions of a range.

A read ends at the boundary of a batch, and the place is remembered: a consumer or a follower that goes on there needs
neither index nor walk.
Source: KIP-74 (at least one batch), KIP-98 (aborted transactions).
"""

from struct import Struct
from typing import NamedTuple

from server.log import scan, txn_index
from server.log.segment import Segment
from server.log.segments import Segments
from server.log.txn_index import AbortedTxn
from server.records import batch
from server.records.batch import HEADER_SIZE, LENGTH_END

REMEMBERED_ENDS = 64  # readers of one log that go on where they stopped
_unpack_place = Struct(">qi").unpack_from  # base offset, length
_unpack_delta = Struct(">i").unpack_from
_DELTA_AT = 23


class Slice(NamedTuple):
    """Whole batches. `position`: where they begin in the segment file of base offset `segment`."""

    data: bytes | memoryview
    next_offset: int  # behind the last batch; the offset that was asked for when there is no data
    segment: int
    position: int


class Found(NamedTuple):
    """A record that was looked up by its time."""

    timestamp: int
    offset: int
    leader_epoch: int


class Reader:
    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._ends: dict[int, tuple[Segment, int]] = {}

    def forget(self) -> None:
        """Call it when batches were dropped or moved."""
        self._ends.clear()

    def read(self, offset: int, max_bytes: int, end: int, minimum_one: bool) -> Slice:
        """Read batches from the one that holds `offset` on, all of whose offsets are below `end`."""
        known = self._ends.pop(offset, None)
        if known is not None:
            segment, position = known
            if position < segment.written:
                return self._from(segment, position, offset, max_bytes, end, minimum_one)
        segments = self._segments
        for at in range(segments.floor(offset), len(segments)):
            segment = segments[at]
            found = segment.locate(offset) if segment.written else None
            if found is not None:
                return self._from(segment, found[0], offset, max_bytes, end, minimum_one)
        return Slice(b"", offset, segments.active.base, segments.active.written)

    def _from(self, segment: Segment, position: int, offset: int, max_bytes: int, end: int, minimum_one: bool) -> Slice:
        file = segment.file()
        data = file.pread(min(max(max_bytes, HEADER_SIZE), segment.written - position), position)
        size, next_offset = _whole(segment, position, data, end)
        if size == 0 or size > max_bytes:
            # The first batch is larger than what was asked for, or lies not wholly below `end`.
            size = 0
            base, length = _unpack_place(data)
            delta = _unpack_delta(data, _DELTA_AT)[0]
            if minimum_one and base + delta < end:
                size, next_offset = LENGTH_END + length, base + delta + 1
                if size > len(data):
                    data = file.pread(size, position)
            if size == 0 or len(data) < size:
                return Slice(b"", offset, segment.base, position)
        ends = self._ends
        if len(ends) >= REMEMBERED_ENDS:
            del ends[next(iter(ends))]
        ends[next_offset] = (segment, position + size)
        return Slice(data if size == len(data) else memoryview(data)[:size], next_offset, segment.base, position)


def _whole(segment: Segment, position: int, data: bytes, end: int) -> tuple[int, int]:
    """How many bytes of `data` are whole batches below offset `end`, and the offset behind them; (0, 0) for none.

    The index names a batch near the end of what was read, so that only a few headers are looked at.
    """
    available = len(data)
    offset, near = segment.offsets.last_within(end - segment.base, position + available - HEADER_SIZE)
    at, next_offset = max(0, near - position), 0
    if at and _last_offset(data, at) != segment.base + offset:
        at = 0  # a damaged index: look at every header
    start = at
    while at + HEADER_SIZE <= available:
        base, length = _unpack_place(data, at)
        last = base + _unpack_delta(data, at + _DELTA_AT)[0]
        if at + LENGTH_END + length > available or last >= end or length < batch.MIN_BATCH_LENGTH:
            break
        at += LENGTH_END + length
        next_offset = last + 1
    if at == start and at > 0:
        next_offset = _unpack_place(data, at)[0]
    return at, next_offset


def _last_offset(data: bytes, at: int) -> int:
    last: int = _unpack_place(data, at)[0] + _unpack_delta(data, at + _DELTA_AT)[0]
    return last


def offset_by_timestamp(segments: Segments, timestamp: int, log_start: int) -> Found | None:
    """Find the first record at `timestamp` or later, from `log_start` on; None: there is none."""
    for segment in segments:
        if segment.written == 0 or segment.max_timestamp[0] < timestamp:
            continue
        relative = max(segment.times.before(timestamp), log_start - segment.base)
        start = segment.offsets.before(relative)
        for _, head, data in scan.batches(segment.file(), start, segment.written):
            if head.max_timestamp >= timestamp and head.last_offset >= log_start:
                for record in batch.records(data):
                    if record.timestamp >= timestamp and record.offset >= log_start:
                        return Found(record.timestamp, record.offset, head.partition_leader_epoch)
    return None


def latest_by_timestamp(segments: Segments, log_start: int) -> Found | None:
    """Find the first record that has the largest timestamp of the log; None: no record has any."""
    best: Segment | None = None
    for segment in segments:
        if segment.written and (best is None or segment.max_timestamp[0] > best.max_timestamp[0]):
            best = segment
    if best is None or best.max_timestamp[0] < 0:
        return None
    largest, last_offset = best.max_timestamp
    found = best.locate(max(last_offset, log_start))
    if found is None:
        return None
    for _, head, data in scan.batches(best.file(), found[0], best.written):
        for record in batch.records(data):
            if record.timestamp >= largest and record.offset >= log_start:
                return Found(record.timestamp, record.offset, head.partition_leader_epoch)
    return None


def aborted(segments: Segments, start: int, end: int) -> list[AbortedTxn]:
    """Find the aborted transactions with records in [start, end)."""
    found: list[AbortedTxn] = []
    for at in range(segments.floor(start), len(segments)):
        some, done = txn_index.overlapping(segments[at].txns.entries, start, end)
        found += some
        if done:
            break
    return found
