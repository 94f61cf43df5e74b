"""The messages around the data: ApiVersions, Metadata, ListOffsets, InitProducerId. One function each way.

An encoder returns the request's body, without its header; a decoder takes what follows the response's header.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from kcli.errors import Refused
from kcli.pipeline.wire import INIT_PRODUCER_ID, LIST_OFFSETS, METADATA, NO_ID, Buffer, Reader, Writer, flexible

EARLIEST, LATEST = -2, -1  # what ListOffsets takes in place of a timestamp
NO_EPOCH = -1
REPLICA_NONE = -1  # a consumer, not a broker


class MetadataPartition(NamedTuple):
    error: int
    partition: int
    leader: int
    epoch: int


class MetadataTopic(NamedTuple):
    error: int
    name: str
    id: UUID
    internal: bool
    partitions: tuple[MetadataPartition, ...]


class Metadata(NamedTuple):
    nodes: Mapping[int, tuple[str, int]]
    topics: tuple[MetadataTopic, ...]
    throttle_ms: int


class FoundOffset(NamedTuple):
    """An offset of a partition; -1 with no error: there is no such record."""

    error: int
    timestamp: int
    offset: int


class ProducerId(NamedTuple):
    error: int
    id: int
    epoch: int


def read_api_versions(data: Buffer) -> dict[int, tuple[int, int]]:
    """The answer to an ApiVersions request of version 0: request -> oldest and newest version."""
    code, count = struct.unpack_from(">hi", data)
    if code:
        raise Refused(code)
    rows = struct.iter_unpack(">hhh", memoryview(data)[6 : 6 + 6 * count])
    return {key: (low, high) for key, low, high in rows}


def metadata_request(version: int, topics: Iterable[str] | None, auto_create: bool) -> bytearray:
    """Ask about these topics; None: about all."""
    out = Writer(flexible(METADATA, version))
    names = None if topics is None else list(topics)
    out.array(None if names is None else len(names))
    for name in names or ():
        if version >= 10:
            out.uuid(NO_ID)
        out.string(name)
        out.tags()
    out.bool(auto_create)
    if 8 <= version <= 10:
        out.bool(False)  # authorized operations of the cluster
    if version >= 8:
        out.bool(False)  # and of the topics
    out.tags()
    return out.out


def read_metadata(data: Reader, version: int) -> Metadata:
    throttle_ms = data.int32()
    nodes = {}
    for _ in range(data.count()):
        node, host, port = data.int32(), data.text(), data.int32()
        data.string()  # rack
        data.tags()
        nodes[node] = (host, port)
    data.string()  # cluster id
    data.int32()  # controller
    topics = tuple(data.array(lambda: _topic(data, version)))
    return Metadata(nodes, topics, throttle_ms)


def _topic(data: Reader, version: int) -> MetadataTopic:
    error, name = data.int16(), data.text()
    identity = data.uuid() if version >= 10 else NO_ID
    internal = data.bool()
    partitions = tuple(data.array(lambda: _partition(data, version)))
    if version >= 8:
        data.int32()  # authorized operations
    data.tags()
    return MetadataTopic(error, name, identity, internal, partitions)


def _partition(data: Reader, version: int) -> MetadataPartition:
    error, index, leader = data.int16(), data.int32(), data.int32()
    epoch = data.int32() if version >= 7 else NO_EPOCH
    for _ in range(3 if version >= 5 else 2):  # replicas, in-sync replicas, offline replicas
        data.array(data.int32)
    data.tags()
    return MetadataPartition(error, index, leader, epoch)


def list_offsets_request(
    version: int, wanted: Mapping[str, Sequence[tuple[int, int, int]]], committed: bool, timeout_ms: int
) -> bytearray:
    """Ask a leader for offsets: topic -> (partition, leader epoch, timestamp or EARLIEST or LATEST)."""
    out = Writer(flexible(LIST_OFFSETS, version))
    out.int32(REPLICA_NONE)
    if version >= 2:
        out.int8(committed)
    out.array(len(wanted))
    for name, rows in wanted.items():
        out.string(name)
        out.array(len(rows))
        for index, epoch, timestamp in rows:
            out.int32(index)
            if version >= 4:
                out.int32(epoch)
            out.int64(timestamp)
            out.tags()
        out.tags()
    if version >= 10:
        out.int32(timeout_ms)
    out.tags()
    return out.out


def read_list_offsets(data: Reader, version: int) -> dict[tuple[str, int], FoundOffset]:
    if version >= 2:
        data.int32()  # throttle time
    found = {}
    for _ in range(data.count()):
        name = data.text()
        for _ in range(data.count()):
            index, error, timestamp, offset = data.int32(), data.int16(), data.int64(), data.int64()
            if version >= 4:
                data.int32()  # leader epoch of the record
            data.tags()
            found[name, index] = FoundOffset(error, timestamp, offset)
        data.tags()
    return found


def init_producer_id_request(version: int) -> bytearray:
    """Ask for a producer id for idempotence, without transactions."""
    out = Writer(flexible(INIT_PRODUCER_ID, version))
    out.string(None)  # transactional id
    out.int32(0x7FFFFFFF)  # transaction time-out: not used without one
    if version >= 3:
        out.int64(-1)
        out.int16(-1)
    out.tags()
    return out.out


def read_init_producer_id(data: Reader) -> ProducerId:
    data.int32()  # throttle time
    return ProducerId(data.int16(), data.int64(), data.int16())
