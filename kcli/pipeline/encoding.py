"""Record batches (magic 2) as they are written: records are encoded as they come, the header when a batch is sent.

A record is `length, attributes, timestamp delta, offset delta, key length, key, value length, value, headers`, numbers
as zigzag varints. Most records of a command line have no key and no headers; `Open.add_values` encodes such records by
the thousand, from tables: in one list, every fourth element is a value and the three before it are bytes that many
records share.
Source: KIP-98; design/hot-path item 7.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from kcli.pipeline import compression
from kcli.pipeline.checksum import crc32c
from kcli.pipeline.wire import zigzag

Headers = Sequence[tuple[str, bytes | None]]
HEADER_SIZE = 61
NO_PRODUCER = (-1, -1, -1)
RECORD_OVERHEAD = 21  # length, attributes, timestamp delta and offset delta at their largest
_MAX_TABLE = 1 << 16
_MAX_FRAME = 1 << 10  # records of one size whose surroundings are kept whole
_FRONT = struct.Struct(">qiibI").pack  # base offset, length, leader epoch, magic, CRC
_COVERED = struct.Struct(">hiqqqhii").pack  # from the attributes on: what the CRC covers


class Marked(NamedTuple):
    """So many records of a batch were handed over under one mark, behind the first `skipped` ones of it."""

    mark: object
    skipped: int
    count: int  # type: ignore[assignment]  # a field, where tuples have a method


class Batch(NamedTuple):
    """A batch whose records are settled. Who sends it, and as what, comes with `pieces`."""

    body: bytes  # the records, compressed
    codec: int
    count: int  # type: ignore[assignment]  # a field, where tuples have a method
    base_ms: int
    max_ms: int
    marks: "tuple[Marked, ...]" = ()

    @property
    def size(self) -> int:
        return HEADER_SIZE + len(self.body)

    def pieces(self, producer: tuple[int, int, int] = NO_PRODUCER) -> tuple[bytes, bytes]:
        """Header and body. `producer`: id, epoch and the sequence number of the first record."""
        covered = _COVERED(self.codec, self.count - 1, self.base_ms, self.max_ms, *producer, self.count)
        crc = crc32c(self.body, crc32c(covered))
        return _FRONT(0, len(self.body) + HEADER_SIZE - 12, -1, 2, crc) + covered, self.body


class Open:
    """A batch that still takes records. `size` is what it would have without compression."""

    __slots__ = ("_pieces", "base_ms", "count", "marks", "max_ms", "size")

    def __init__(self, timestamp_ms: int) -> None:
        self._pieces: list[bytes] = []
        self.marks: list[Marked] = []
        self.size, self.count = HEADER_SIZE, 0
        self.base_ms = self.max_ms = timestamp_ms

    def add(self, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int) -> None:
        encoded = record(self.count, timestamp_ms - self.base_ms, key, value, headers)
        self._take(encoded, 1, timestamp_ms)

    def add_values(self, values: Sequence[bytes], sizes: Sequence[int], timestamp_ms: int) -> None:
        """Add records that are nothing but values; `sizes` are those of the values."""
        self._take(_values(values, sizes, self.count, timestamp_ms - self.base_ms), len(values), timestamp_ms)

    def close(self, codec: int, level: int | None = None) -> Batch:
        plain = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        body = compression.compressed(codec, plain, level)
        return Batch(body, codec, self.count, self.base_ms, self.max_ms, tuple(self.marks))

    def _take(self, encoded: bytes, count: int, timestamp_ms: int) -> None:
        self._pieces.append(encoded)
        self.size += len(encoded)
        self.count += count
        self.max_ms = max(self.max_ms, timestamp_ms)


def record(index: int, delta_ms: int, key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    parts = [b"\0", zigzag(delta_ms), zigzag(index)]
    for field in (key, value):
        parts += (b"\1",) if field is None else (_SIZES[len(field)], field)
    parts.append(_SIZES[len(headers)])
    for name, content in headers:
        raw = name.encode()
        parts += [zigzag(len(raw)), raw]
        parts += [b"\1"] if content is None else [zigzag(len(content)), content]
    body = b"".join(parts)
    return _SIZES[len(body)] + body


def part_of(marks: Sequence[Marked], first: int, stop: int) -> list[Marked]:
    """The marks of the records from index `first` up to `stop` of a batch."""
    found, at = [], 0
    for mark, skipped, count in marks:
        low, high = max(first - at, 0), min(stop - at, count)
        if low < high:
            found.append(Marked(mark, skipped + low, high - low))
        at += count
    return found


def upper_bound(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """What Kafka's producer takes a batch of this one record to need at most: what its size limits are about."""
    size = HEADER_SIZE + RECORD_OVERHEAD
    for field in (key, value):
        size += 1 if field is None else len(_SIZES[len(field)]) + len(field)
    size += len(_SIZES[len(headers)])
    for name, content in headers:
        raw = name.encode()
        size += len(_SIZES[len(raw)]) + len(raw) + 1 + (len(_SIZES[len(content)]) + len(content) if content else 0)
    return size


def value_overhead(largest: int, delta_ms: int) -> int:
    """What a record of nothing but a value takes beside the value, at most; `largest` is the size of the largest."""
    # Attributes, no key, no headers; an offset delta below a million takes three bytes.
    return 3 + len(zigzag(delta_ms)) + 3 + len(_SIZES[largest]) + len(_SIZES[largest + 32])


class _Sizes(dict[int, bytes]):
    """Value size -> that size as it stands before the value."""

    def __missing__(self, size: int) -> bytes:
        if len(self) > _MAX_TABLE:
            self.clear()
        encoded = self[size] = zigzag(size)
        return encoded


class _Fronts(dict[int, bytes]):
    """Value size -> the end of the record before (no headers), then this one's up to its timestamp."""

    def __init__(self, delta: bytes, offset_size: int) -> None:
        self._delta, self._beside = delta, 3 + len(delta) + offset_size  # attributes, no key, no headers

    def __missing__(self, size: int) -> bytes:
        if len(self) > _MAX_TABLE:
            self.clear()
        length = self._beside + len(_SIZES[size]) + size
        encoded = self[size] = b"\0" + zigzag(length) + b"\0" + self._delta
        return encoded


_SIZES = _Sizes()
_OFFSETS: list[bytes] = []  # index in the batch, and that there is no key
_BANDS = (0, 1 << 6, 1 << 13, 1 << 20, 1 << 27, 1 << 31)  # where an index takes a byte more
_fronts: dict[tuple[bytes, int], _Fronts] = {}


def _values(values: Sequence[bytes], sizes: Sequence[int], first: int, delta_ms: int) -> bytes:
    count = len(values)
    if count <= _MAX_FRAME and sizes.count(sizes[0]) == count:
        parts = _frame(count, sizes[0], first, delta_ms).copy()
        parts[1::2] = values
        return b"".join(parts)
    parts = _parts(sizes, first, delta_ms)
    parts[3::4] = values
    return b"".join(parts)


@lru_cache(maxsize=128)
def _frame(count: int, size: int, first: int, delta_ms: int) -> list[bytes]:
    """What stands around `count` values of one size: every second element is left free for a value."""
    parts = _parts([size] * count, first, delta_ms)
    frame = [b""] * (2 * count + 1)
    frame[0:-1:2] = [b"".join(parts[at : at + 3]) for at in range(0, 4 * count, 4)]
    frame[-1] = parts[-1]
    return frame


def _parts(sizes: Sequence[int], first: int, delta_ms: int) -> list[bytes]:
    """What stands around values: every fourth element is left free for one."""
    count = len(sizes)
    while len(_OFFSETS) < first + count:
        _OFFSETS.append(zigzag(len(_OFFSETS)) + b"\1")
    delta = zigzag(delta_ms)
    parts: list[bytes] = [b""] * (4 * count)
    for width in range(1, len(_BANDS)):
        low, high = max(_BANDS[width - 1] - first, 0), min(_BANDS[width] - first, count)
        if low < high:
            fronts = _fronts_of(delta, width)
            parts[4 * low : 4 * high : 4] = map(fronts.__getitem__, sizes[low:high])
    parts[1::4] = _OFFSETS[first : first + count]
    parts[2::4] = map(_SIZES.__getitem__, sizes)
    parts[0] = parts[0][1:]  # no record comes before
    parts.append(b"\0")
    return parts


def _fronts_of(delta: bytes, width: int) -> _Fronts:
    if len(_fronts) > _MAX_TABLE >> 8:
        _fronts.clear()
    found = _fronts.get((delta, width))
    if found is None:
        found = _fronts[delta, width] = _Fronts(delta, width)
    return found
