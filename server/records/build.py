"""Making record batches: from records, from a batch with other records in it, with another codec, with the append time.

`build` numbers its records from `base_offset` on and ignores their own offsets; `rebuild` keeps offsets, which
compaction needs.
Source: KIP-98, KIP-534 (delete horizon: base_timestamp holds it, and the deltas count from it).
"""

import struct
from collections.abc import Iterable, Sequence

from server.ports import Buffer
from server.records import batch, body, compression
from server.records.batch import (
    APPEND_TIME,
    CODEC_MASK,
    CONTROL,
    CRC_FROM,
    DELETE_HORIZON,
    HEADER_SIZE,
    LENGTH_END,
    MAGIC,
    TRANSACTIONAL,
    Header,
    Record,
)

_HEADER = struct.Struct(">qiibIhiqqqhii")
_ATTRIBUTES_AT, _MAX_TIMESTAMP_AT, _CRC_AT = 21, 35, 17


def build(
    records: Sequence[Record],
    *,
    base_offset: int = 0,
    leader_epoch: int = -1,
    codec: int = batch.NONE,
    level: int | None = None,
    timestamp_type: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    transactional: bool = False,
    control: bool = False,
    delete_horizon_ms: int | None = None,
) -> bytes:
    """Make one batch; the records get the offsets from `base_offset` on, whatever their own say.

    At least one record.
    """
    assert records, "a batch is built of at least one record"
    base_timestamp = records[0].timestamp if delete_horizon_ms is None else delete_horizon_ms
    attributes = codec | (timestamp_type and APPEND_TIME) | (transactional and TRANSACTIONAL) | (control and CONTROL)
    if delete_horizon_ms is not None:
        attributes |= DELETE_HORIZON
    data = bytearray()
    for delta, (_, timestamp, key, value, headers) in enumerate(records):
        body.put_record(data, delta, timestamp - base_timestamp, key, value, headers)
    head = Header(
        base_offset,
        0,
        leader_epoch,
        MAGIC,
        0,
        attributes,
        len(records) - 1,
        base_timestamp,
        max(record.timestamp for record in records),
        producer_id,
        producer_epoch,
        base_sequence,
        len(records),
    )
    return _assemble(head, compression.compress(codec, data, level))


def rebuild(
    head: Header, records: Iterable[Record], *, level: int | None = None, delete_horizon_ms: int | None = None
) -> bytes:
    """Make the batch that `head` describes hold these records, which keep their offsets.

    Base and last offset, codec, leader epoch and producer stay.
    The records may be fewer, even none: the batch then still says where its producer's sequence stood.
    A delete horizon that `head` has stays; one that is given is set.
    """
    kept = list(records)
    base_timestamp, attributes = head.base_timestamp, head.attributes
    if delete_horizon_ms is not None:
        base_timestamp, attributes = delete_horizon_ms, attributes | DELETE_HORIZON
    data = bytearray()
    for offset, timestamp, key, value, headers in kept:
        # Under LogAppendTime every record has the batch's time, and its own delta was lost in reading.
        delta = 0 if attributes & APPEND_TIME else timestamp - base_timestamp
        body.put_record(data, offset - head.base_offset, delta, key, value, headers)
    largest = max((record.timestamp for record in kept), default=head.max_timestamp)
    changed = head._replace(
        attributes=attributes, base_timestamp=base_timestamp, max_timestamp=largest, count=len(kept)
    )
    return _assemble(changed, compression.compress(head.codec, data, level))


def recompress(buf: Buffer, codec: int, level: int | None = None) -> bytes:
    """Give the first batch of `buf` another codec; everything else stays. Raises Rejected(CORRUPT_MESSAGE)."""
    head = batch.header(buf)
    plain = compression.decompress(head.codec, memoryview(buf)[HEADER_SIZE : head.size])
    return _assemble(
        head._replace(attributes=head.attributes & ~CODEC_MASK | codec), compression.compress(codec, plain, level)
    )


def restamp_append_time(buf: bytearray | memoryview, timestamp_ms: int, at: int = 0) -> None:
    """Turn a batch into one of LogAppendTime, in place: its type, largest timestamp and CRC; the records stay."""
    head = batch.header(buf, at)
    struct.pack_into(">h", buf, at + _ATTRIBUTES_AT, head.attributes | APPEND_TIME)
    struct.pack_into(">q", buf, at + _MAX_TIMESTAMP_AT, timestamp_ms)
    struct.pack_into(">I", buf, at + _CRC_AT, batch.crc32c(memoryview(buf)[at + CRC_FROM : at + head.size]))


def _assemble(head: Header, data: bytes) -> bytes:
    """Join header and records; length and CRC are computed here."""
    out = bytearray(HEADER_SIZE) + data
    _HEADER.pack_into(out, 0, *head._replace(batch_length=len(out) - LENGTH_END, crc=0))
    struct.pack_into(">I", out, _CRC_AT, batch.crc32c(memoryview(out)[CRC_FROM:]))
    return bytes(out)
