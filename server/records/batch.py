"""Record batches (magic 2) as bytes: the 61-byte header, the checks of a produced batch, the records inside.

On the hot path a batch is opaque. `check` reads the header and computes the CRC, `stamp` patches base offset and
partition leader epoch, which the CRC does not cover. Two more checks cost a walk over the records or are needed by
few topics, so they are functions of their own: `check_times`, `check_keys`.

What is trusted: Kafka walks every record of a produced batch; here the records are opaque, so offset deltas,
timestamps and lengths inside a batch are the client's word (its own consumers find out, with CORRUPT_MESSAGE). The
header's count, last offset delta and times are what logs and indexes rely on, and those are checked.

Offsets are inclusive (`last_`) or exclusive (`next_`); positions are bytes in the given buffer.
Source: KIP-98 (format), KIP-534 (delete horizon), KIP-937 (bounds of timestamps).
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from server.model.errors import ErrorCode, Rejected
from server.ports import Buffer

HEADER_SIZE = 61
MAGIC = 2
LENGTH_END = 12  # batch_length counts the bytes behind itself
CRC_FROM = 21  # the CRC covers everything from `attributes` on
MIN_BATCH_LENGTH = HEADER_SIZE - LENGTH_END

CODEC_MASK, APPEND_TIME, TRANSACTIONAL, CONTROL, DELETE_HORIZON = 0x07, 0x08, 0x10, 0x20, 0x40
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
NO_TIMESTAMP = -1
NO_PRODUCER_ID = -1
MAX_SEQUENCE = 0x7FFFFFFF

_HEADER = struct.Struct(">qiibIhiqqqhii")
_unpack = _HEADER.unpack_from
_BASE_AND_LENGTH = struct.Struct(">qi").unpack_from
_put_base = struct.Struct(">q").pack_into
_put_epoch = struct.Struct(">i").pack_into


class Header(NamedTuple):
    """The fields of a batch header, in their order on disk."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    count: int  # type: ignore[assignment]  # a field, where tuples have a method

    @property
    def size(self) -> int:
        return LENGTH_END + self.batch_length

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def codec(self) -> int:
        return self.attributes & CODEC_MASK

    @property
    def timestamp_type(self) -> int:
        """0: CreateTime, 1: LogAppendTime."""
        return 1 if self.attributes & APPEND_TIME else 0

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)

    @property
    def has_delete_horizon(self) -> bool:
        """True: base_timestamp is when a compaction may drop the tombstones of this batch."""
        return bool(self.attributes & DELETE_HORIZON)

    @property
    def has_producer_id(self) -> bool:
        return self.producer_id > NO_PRODUCER_ID

    @property
    def last_sequence(self) -> int:
        """Sequence numbers wrap to 0 behind the largest int32; -1 without one."""
        if self.base_sequence < 0:
            return -1
        return (self.base_sequence + self.last_offset_delta) & MAX_SEQUENCE


_make = Header._make


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class RecordsRejected(Rejected):
    """Single records were refused: `record_errors` holds (index in the batch, message), for Produce v8 and later."""

    def __init__(self, code: ErrorCode, message: str, record_errors: tuple[tuple[int, str], ...]) -> None:
        super().__init__(code, message)
        self.record_errors = record_errors


def header(buf: Buffer, at: int = 0) -> Header:
    """Read the header at `at`; the caller knows that 61 bytes are there."""
    return _make(_unpack(buf, at))


def headers(buf: Buffer, at: int = 0, end: int | None = None) -> Iterator[tuple[int, Header]]:
    """Yield (position, header) of every whole batch in buf[at:end]; stop before a torn tail.

    Checks no CRC. Raises Rejected(CORRUPT_MESSAGE) for a length that no batch can have, since what follows cannot be
    found.
    """
    stop = len(buf) if end is None else end
    while at + HEADER_SIZE <= stop:
        head = _make(_unpack(buf, at))
        if head.batch_length < MIN_BATCH_LENGTH:
            raise Rejected(
                ErrorCode.CORRUPT_MESSAGE,
                f"Batch length {head.batch_length} at position {at} is below the least, {MIN_BATCH_LENGTH}.",
            )
        if at + head.size > stop:
            return
        yield at, head
        at += head.size


def frames(buf: Buffer, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Yield (position, size, base offset) of every whole batch: as `headers`, for those who need no more."""
    stop = len(buf) if end is None else end
    while at + HEADER_SIZE <= stop:
        base, length = _BASE_AND_LENGTH(buf, at)
        if length < MIN_BATCH_LENGTH:
            raise Rejected(
                ErrorCode.CORRUPT_MESSAGE,
                f"Batch length {length} at position {at} is below the least, {MIN_BATCH_LENGTH}.",
            )
        if at + LENGTH_END + length > stop:
            return
        yield at, LENGTH_END + length, base
        at += LENGTH_END + length


def check(buf: Buffer, at: int, size: int, max_message_bytes: int, *, zstd: bool = True) -> Header:
    """Check what a client wants to append: buf[at:at + size] must be one sound batch that it may write.

    zstd    whether the request's version knows zstd (Produce v7 and later)
    raises  Rejected: INVALID_RECORD (not exactly one batch of magic 2, counts or offsets that contradict, a control
    batch,
            producer fields that contradict), MESSAGE_TOO_LARGE, CORRUPT_MESSAGE (torn, CRC),
            UNSUPPORTED_COMPRESSION_TYPE, INVALID_PRODUCER_EPOCH
    """
    if size < HEADER_SIZE:
        if size == 0:
            raise Rejected(
                ErrorCode.INVALID_RECORD,
                "There must be exactly one record batch for each partition, and there is none.",
            )
        raise Rejected(ErrorCode.CORRUPT_MESSAGE, f"A record batch has at least {HEADER_SIZE} bytes; {size} came.")
    head = _make(_unpack(buf, at))
    base, length, _, magic, crc, attributes, delta, _, _, producer_id, producer_epoch, sequence, count = head
    if magic != MAGIC:
        raise Rejected(
            ErrorCode.INVALID_RECORD,
            f"Only record batches with magic version {MAGIC} are allowed; this one has {magic}.",
        )
    if length + LENGTH_END != size:
        _wrong_size(length, size)
    if size > max_message_bytes:
        raise Rejected(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"The record batch has {size} bytes, which exceeds the maximum configured value of {max_message_bytes}.",
        )
    if _crc32c(memoryview(buf)[at + CRC_FROM : at + size]) != crc:
        raise Rejected(ErrorCode.CORRUPT_MESSAGE, "The record batch is corrupt: its CRC-32C does not match its bytes.")
    if count <= 0 or delta != count - 1:
        raise Rejected(
            ErrorCode.INVALID_RECORD,
            f"Base offset {base}, last offset delta {delta} and count {count} do not make a produced record batch.",
        )
    if attributes & (CODEC_MASK | CONTROL):
        _check_attributes(attributes, zstd)
    if producer_id >= 0 or attributes & TRANSACTIONAL:
        _check_producer(producer_id, producer_epoch, sequence)
    return head


def _wrong_size(length: int, size: int) -> None:
    if length < MIN_BATCH_LENGTH or length + LENGTH_END > size:
        raise Rejected(
            ErrorCode.CORRUPT_MESSAGE, f"The record batch says that it has {length + LENGTH_END} bytes; {size} came."
        )
    raise Rejected(
        ErrorCode.INVALID_RECORD, "There must be exactly one record batch for each partition, and more came."
    )


def _check_attributes(attributes: int, zstd: bool) -> None:
    codec = attributes & CODEC_MASK
    if codec > ZSTD:
        raise Rejected(ErrorCode.INVALID_RECORD, f"Unknown compression type id: {codec}")
    if codec == ZSTD and not zstd:
        raise Rejected(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
            "Produce requests of this version may not hold ZStandard compression.",
        )
    if attributes & CONTROL:
        raise Rejected(ErrorCode.INVALID_RECORD, "Clients are not allowed to write control records.")


def _check_producer(producer_id: int, producer_epoch: int, sequence: int) -> None:
    if producer_id < 0:
        raise Rejected(ErrorCode.INVALID_RECORD, "A transactional record batch must have a producer id.")
    if producer_epoch < 0:
        raise Rejected(
            ErrorCode.INVALID_PRODUCER_EPOCH, f"Producer id {producer_id} came with the epoch {producer_epoch}."
        )
    if sequence < 0:
        raise Rejected(
            ErrorCode.INVALID_RECORD,
            f"Invalid sequence number {sequence} in record batch with producer id {producer_id}.",
        )


def check_times(head: Header, timestamp_ms: int, before_max_ms: int, after_max_ms: int) -> None:
    """Check a produced batch's times against the wall clock, by its header: the first and the largest timestamp.

    Raises RecordsRejected(INVALID_TIMESTAMP). A record between them that is older than the first is not seen (see
    above).
    """
    if head.attributes & APPEND_TIME:
        raise _bad_time("Producers must not set the timestamp type to LogAppendTime.")
    base, largest = head.base_timestamp, head.max_timestamp
    if (largest != NO_TIMESTAMP and largest - timestamp_ms > after_max_ms) or (
        base != NO_TIMESTAMP and timestamp_ms - base > before_max_ms
    ):
        raise _bad_time(
            f"Timestamps {base} to {largest} are out of range. The timestamp should be within"
            f" [{timestamp_ms - before_max_ms}, {timestamp_ms + after_max_ms}]."
        )


def _bad_time(message: str) -> RecordsRejected:
    return RecordsRejected(
        ErrorCode.INVALID_TIMESTAMP, "One or more records have been rejected due to invalid timestamp", ((0, message),)
    )


def check_keys(buf: Buffer, at: int = 0) -> None:
    """Walk a batch for a compacted topic: every record must have a key.

    Raises RecordsRejected(INVALID_RECORD), CORRUPT_MESSAGE.
    """
    errors = tuple(
        (index, "Compacted topic cannot accept message without key.")
        for index, record in enumerate(records(buf, at))
        if record.key is None
    )
    if errors:
        shown = ", ".join(f"record {index}" for index, _ in errors[:3])
        raise RecordsRejected(
            ErrorCode.INVALID_RECORD,
            f"One or more records have been rejected due to {len(errors)} record errors in total,"
            f" and only showing the first three errors at most: {shown}",
            errors,
        )


def verify(buf: Buffer, at: int = 0, end: int | None = None) -> Header:
    """Check a batch that a broker wrote: from disk, from a leader, from a coordinator.

    Compaction may have left gaps between its offsets, even no records at all.
    Raises Rejected(CORRUPT_MESSAGE): torn, wrong length, unknown magic, CRC, impossible counts;
    UNSUPPORTED_FOR_MESSAGE_FORMAT for the formats before Kafka 0.11 (magic 0 and 1), which Kafka 4 does not write.
    """
    available = (len(buf) if end is None else end) - at
    if available < HEADER_SIZE:
        raise Rejected(
            ErrorCode.CORRUPT_MESSAGE, f"A record batch has at least {HEADER_SIZE} bytes; {available} are left."
        )
    head = _make(_unpack(buf, at))
    if head.magic in (0, 1):
        raise Rejected(
            ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, f"Message format version {head.magic} is not supported."
        )
    if head.magic != MAGIC or not MIN_BATCH_LENGTH <= head.batch_length <= available - LENGTH_END:
        raise Rejected(
            ErrorCode.CORRUPT_MESSAGE,
            f"No record batch at position {at}: magic {head.magic}, length {head.batch_length}.",
        )
    if _crc32c(memoryview(buf)[at + CRC_FROM : at + head.size]) != head.crc:
        raise Rejected(
            ErrorCode.CORRUPT_MESSAGE,
            f"The record batch at position {at} is corrupt: its CRC-32C does not match its bytes.",
        )
    if head.count < 0 or head.last_offset_delta < 0 or head.count > head.last_offset_delta + 1:
        raise Rejected(
            ErrorCode.CORRUPT_MESSAGE,
            f"{head.count} records cannot have a last offset delta of {head.last_offset_delta}.",
        )
    return head


def stamp(buf: bytearray | memoryview, at: int, base_offset: int, leader_epoch: int) -> None:
    """Give the batch its place in the log. Both fields lie outside the CRC."""
    _put_base(buf, at, base_offset)
    _put_epoch(buf, at + LENGTH_END, leader_epoch)


def records(buf: Buffer, at: int = 0) -> Iterator[Record]:
    """Iterate over the records of one batch, decompressed; control batches too. The CRC is not checked.

    Raises Rejected(CORRUPT_MESSAGE): at the call for the header and the compression, while iterating for a record.
    """
    from server.records import body, compression  # a broker that only passes batches on never needs them

    if len(buf) - at < HEADER_SIZE:
        raise Rejected(
            ErrorCode.CORRUPT_MESSAGE, f"A record batch has at least {HEADER_SIZE} bytes; {len(buf) - at} are left."
        )
    head = _make(_unpack(buf, at))
    if head.magic != MAGIC or not MIN_BATCH_LENGTH <= head.batch_length <= len(buf) - at - LENGTH_END:
        raise Rejected(
            ErrorCode.CORRUPT_MESSAGE,
            f"No record batch at position {at}: magic {head.magic}, length {head.batch_length}.",
        )
    data = memoryview(buf)[at + HEADER_SIZE : at + head.size]
    return body.records(compression.decompress(head.codec, data), head)


def crc32c(data: Buffer) -> int:
    return _crc32c(data)


def _bind(data: Buffer) -> int:
    """Bind CRC-32C at the first call: importing the library takes 40 ms, which an admin command does not have."""
    global _crc32c
    from crc32c import crc32c as bound

    _crc32c = bound
    return _crc32c(data)


_crc32c: Callable[[Buffer], int] = _bind
