"""The Produce request and its answer. Batches are given as pieces and stay pieces: nothing is copied.

Source: KIP-98 (v3), KIP-467 (v8: errors of single records), KIP-482 (v9), KIP-516 (v13: topic ids).
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from kcli.pipeline.wire import PRODUCE, Buffer, Reader, Writer, flexible, varint

_NOTHING_ELSE = b"\1\0\0\0"
BY_ID = 13  # from this version on topics are named by their ids
_index = struct.Struct(">i").pack
_index_and_size = struct.Struct(">ii").pack


class Topic(NamedTuple):
    name: str
    id: UUID


class Appended(NamedTuple):
    """What a broker says about one partition's batch. `record_errors`: (index in the batch, message)."""

    error: int
    base_offset: int
    message: str | None
    record_errors: tuple[tuple[int, str | None], ...]


Batch = tuple[Buffer, ...]  # one record batch, in pieces
Payload = Mapping[Topic, Sequence[tuple[int, Batch]]]  # partition and batch; one batch for a partition


def request(version: int, acks: int, timeout_ms: int, payload: Payload) -> list[Buffer]:
    """The request's body as a list of buffers."""
    compact = flexible(PRODUCE, version)
    out: list[Buffer] = []
    head = Writer(compact)
    head.string(None)  # transactional id
    head.int16(acks)
    head.int32(timeout_ms)
    head.array(len(payload))
    for topic, rows in payload.items():
        if version >= BY_ID:
            head.uuid(topic.id)
        else:
            head.string(topic.name)
        head.array(len(rows))
        for index, batch in rows:
            size = sum(map(len, batch))
            head.out += _index(index) + varint(size + 1) if compact else _index_and_size(index, size)
            out.append(head.out)
            out.extend(batch)
            head.out = bytearray()
            head.tags()
        head.tags()
    head.tags()
    if head.out:
        out.append(head.out)
    return out


def single(version: int, acks: int, timeout_ms: int, topic: Topic, index: int, batch: Batch) -> list[Buffer]:
    """The request's body for one batch of one partition, as nearly all are: what stands around it is kept."""
    before, behind = _around(version, acks, timeout_ms, topic)
    header, records = batch
    size = len(header) + len(records)
    told = _index(index) + varint(size + 1) if flexible(PRODUCE, version) else _index_and_size(index, size)
    return [before + told + header, records, behind] if behind else [before + told + header, records]


@lru_cache(maxsize=1 << 10)
def _around(version: int, acks: int, timeout_ms: int, topic: Topic) -> tuple[bytes, bytes]:
    whole = b"".join(request(version, acks, timeout_ms, {topic: [(0, ())]}))
    tags = 3 if flexible(PRODUCE, version) else 0
    told = 5 if tags else 8  # index and size of the empty batch
    end = len(whole) - tags
    return whole[: end - told], whole[end:]


@lru_cache(maxsize=1 << 10)
def _success(version: int, topic: Topic, index: int) -> bytes:
    """How an answer to `single` begins when all went well."""
    out = Writer(flexible(PRODUCE, version))
    out.array(1)
    if version >= BY_ID:
        out.uuid(topic.id)
    else:
        out.string(topic.name)
    out.array(1)
    out.int32(index)
    out.int16(0)
    return bytes(out.out)


def succeeded(data: Reader, version: int, topic: Topic, index: int) -> bool:
    """Whether the answer to `single` says success and nothing else; False: it has to be read."""
    if not flexible(PRODUCE, version):
        return False
    expected = _success(version, topic, index)
    at = data.at + len(expected)
    # Base offset, append time and start offset; then no record errors, no message, no tags of the partition and topic.
    return data.data[data.at : at] == expected and data.data[at + 24 : at + 28] == _NOTHING_ELSE


def response(data: Reader, version: int, names: Mapping[UUID, str]) -> dict[tuple[str, int], Appended]:
    """Read the answer; `names` are those of the topic ids that the request held."""
    found = {}
    for _ in range(data.count()):
        name = names.get(data.uuid(), "") if version >= BY_ID else data.text()
        for _ in range(data.count()):
            index, error, base_offset = data.int32(), data.int16(), data.int64()
            data.int64()  # log append time
            if version >= 5:
                data.int64()  # log start offset
            message: str | None = None
            refused: tuple[tuple[int, str | None], ...] = ()
            if version >= 8:
                refused = tuple(data.array(lambda: _record_error(data)))
                message = data.string()
            data.tags()
            found[name, index] = Appended(error, base_offset, message, refused)
        data.tags()
    return found


def _record_error(data: Reader) -> tuple[int, str | None]:
    error = data.int32(), data.string()
    data.tags()
    return error


def named(topics: Iterable[Topic]) -> dict[UUID, str]:
    return {topic.id: topic.name for topic in topics}
