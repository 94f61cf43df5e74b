"""The Fetch request and its answer, without a session: every request names all its partitions.

Record data comes back as views into the answer.
Source: KIP-98 (v4), KIP-320 (v9: leader epochs), KIP-392 (v11), KIP-482 (v12), KIP-516 (v13: topic ids).
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from kcli.pipeline.produce import BY_ID, Topic
from kcli.pipeline.wire import FETCH, Reader, Writer, flexible

NO_SESSION, FULL_FETCH = 0, -1
NO_EPOCH = -1
CONSUMER = -1
_row = struct.Struct(">iqqi").pack
_row_9 = struct.Struct(">iiqqi").pack
_row_12 = struct.Struct(">iiqiqix").pack  # ends in no tagged fields


class Wanted(NamedTuple):
    """One partition of a request."""

    partition: int
    epoch: int
    offset: int


class Limits(NamedTuple):
    """How long a broker may wait for `min_bytes`, and how much it may answer: in all, and for each partition."""

    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    partition_bytes: int


class Given(NamedTuple):
    """One partition of an answer. `aborted`: (producer id, first offset) of transactions that came to nothing."""

    topic: str
    partition: int
    error: int
    high_watermark: int
    last_stable: int
    log_start: int
    aborted: tuple[tuple[int, int], ...]
    records: memoryview


def request(version: int, limits: Limits, committed: bool, wanted: Mapping[Topic, Sequence[Wanted]]) -> bytearray:
    out = Writer(flexible(FETCH, version))
    if version < 15:
        out.int32(CONSUMER)
    out.int32(limits.max_wait_ms)
    out.int32(limits.min_bytes)
    out.int32(limits.max_bytes)
    out.int8(committed)
    if version >= 7:
        out.int32(NO_SESSION)
        out.int32(FULL_FETCH)
    out.array(len(wanted))
    for topic, rows in wanted.items():
        if version >= BY_ID:
            out.uuid(topic.id)
        else:
            out.string(topic.name)
        out.array(len(rows))
        for row in rows:
            out.out += _encoded(version, row, limits.partition_bytes)
        out.tags()
    if version >= 7:
        out.array(0)  # topics to forget
    if version >= 11:
        out.string("")  # rack
    out.tags()
    return out.out


def _encoded(version: int, row: Wanted, partition_bytes: int) -> bytes:
    index, epoch, offset = row
    if version >= 12:
        return _row_12(index, epoch, offset, NO_EPOCH, -1, partition_bytes)
    if version >= 9:
        return _row_9(index, epoch, offset, -1, partition_bytes)
    if version >= 5:
        return _row(index, offset, -1, partition_bytes)
    return struct.pack(">iqi", index, offset, partition_bytes)


def response(data: Reader, version: int, names: Mapping[UUID, str]) -> tuple[int, list[Given]]:
    """Read the answer: an error of the whole, and the partitions."""
    data.int32()  # throttle time
    error = 0
    if version >= 7:
        error = data.int16()
        data.int32()  # session
    return error, list(_given(data, version, names))


def _given(data: Reader, version: int, names: Mapping[UUID, str]) -> Iterator[Given]:
    for _ in range(data.count()):
        name = names.get(data.uuid(), "") if version >= BY_ID else data.text()
        for _ in range(data.count()):
            index, error, high, stable = data.int32(), data.int16(), data.int64(), data.int64()
            start = data.int64() if version >= 5 else -1
            aborted = tuple(data.array(lambda: _aborted(data)))
            if version >= 11:
                data.int32()  # a replica that is nearer
            records = data.data_bytes()
            data.tags()
            yield Given(name, index, error, high, stable, start, aborted, records)
        data.tags()


def _aborted(data: Reader) -> tuple[int, int]:
    row = data.int64(), data.int64()
    data.tags()
    return row
