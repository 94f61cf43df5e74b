"""The `.snapshot` file: what a log knows of its producers below the offset in the file's name.

int16 version 1, uint32 CRC-32C of everything behind it, int32 count, and 46 bytes for each producer.
Source: KIP-98; the record ProducerSnapshot of Apache Kafka 4.3.
"""

from collections.abc import Iterable
from struct import Struct, error
from typing import NamedTuple

from server.records.batch import crc32c

VERSION = 1
_HEAD = Struct(">hIi")
_ENTRY = Struct(">qhiqiqiq")
_CRC_FROM = 6


class Row(NamedTuple):
    """One producer. -1: no batch (last_sequence, last_offset), no coordinator epoch, no open transaction."""

    producer_id: int
    epoch: int
    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int
    coordinator_epoch: int
    txn_first_offset: int


def format(rows: Iterable[Row]) -> bytes:
    body = [_ENTRY.pack(*row) for row in rows]
    data = bytearray(_HEAD.pack(VERSION, 0, len(body)) + b"".join(body))
    data[2:_CRC_FROM] = crc32c(memoryview(data)[_CRC_FROM:]).to_bytes(4, "big")
    return bytes(data)


def parse(data: bytes) -> list[Row]:
    """Read a snapshot. Raises ValueError: another version, torn, or a CRC that does not match."""
    try:
        version, crc, count = _HEAD.unpack_from(data)
    except error as torn:
        raise ValueError(f"a producer snapshot of {len(data)} bytes") from torn
    if version != VERSION:
        raise ValueError(f"producer snapshot of version {version}")
    if crc32c(memoryview(data)[_CRC_FROM:]) != crc:
        raise ValueError("the producer snapshot's CRC does not match its bytes")
    if len(data) != _HEAD.size + count * _ENTRY.size:
        raise ValueError(f"a producer snapshot of {len(data)} bytes says that it has {count} producers")
    return [Row(*fields) for fields in _ENTRY.iter_unpack(memoryview(data)[_HEAD.size :])]
