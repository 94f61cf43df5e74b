"""The records inside a batch, uncompressed: varints and the fields of a record, both ways.

A record is: length, attributes (unused), timestamp delta, offset delta, key, value, headers; every number a zigzag
varint, null a length below 0. Header names that are not UTF-8 survive a round trip (surrogateescape).
Source: KIP-98, KIP-82 (headers); zigzag varints as in Protocol Buffers.
"""

from collections.abc import Iterable, Iterator

from server.model.errors import ErrorCode, Rejected
from server.records.batch import APPEND_TIME, Header, Record

_VARINT_BITS = 70  # ten bytes, the most that 64 bits take


def records(data: bytes, head: Header) -> Iterator[Record]:
    """Yield `head.count` records; `data` must hold them exactly. Raises Rejected(CORRUPT_MESSAGE)."""
    if head.count < 0:
        raise _corrupt(f"the count is {head.count}")
    at, total = 0, len(data)
    base_offset, base_timestamp = head.base_offset, head.base_timestamp
    append_time = head.max_timestamp if head.attributes & APPEND_TIME else None
    for _ in range(head.count):
        try:
            size, at = varint(data, at)
            end = at + size
            if size < 0 or end > total:
                raise _corrupt(f"a record of {size} bytes does not fit")
            timestamp_delta, at = varint(data, at + 1)
            offset_delta, at = varint(data, at)
            size, at = varint(data, at)
            key = None
            if size >= 0:
                key = data[at : at + size]
                at += size
            size, at = varint(data, at)
            value = None
            if size >= 0:
                value = data[at : at + size]
                at += size
            count, at = varint(data, at)
            headers: tuple[tuple[str, bytes | None], ...] = ()
            if count:
                headers, at = _headers(data, at, end, count)
        except IndexError:
            raise _corrupt("the last record is cut off") from None
        if at != end:
            raise _corrupt("a record's length contradicts its fields")
        timestamp = base_timestamp + timestamp_delta if append_time is None else append_time
        yield Record(base_offset + offset_delta, timestamp, key, value, headers)
    if at != total:
        raise _corrupt(f"{total - at} bytes follow the last record")


def _headers(data: bytes, at: int, end: int, count: int) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    if not 0 <= count <= end - at:
        raise _corrupt(f"a record of {end - at} bytes cannot have {count} headers")
    found: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        size, at = varint(data, at)
        if not 0 <= size <= end - at:
            raise _corrupt(f"a header's name has the length {size}")
        name = data[at : at + size].decode("utf-8", "surrogateescape")
        size, at = varint(data, at + size)
        if size < 0:
            found.append((name, None))
        else:
            found.append((name, data[at : at + size]))
            at += size
    return tuple(found), at


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a zigzag varint: (value, next position). Raises IndexError at the end, Rejected for more than ten bytes."""
    byte = data[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value = byte & 0x7F
    for shift in range(7, _VARINT_BITS, 7):
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + 1
    raise _corrupt("a varint is longer than ten bytes")


def put_varint(out: bytearray, value: int) -> None:
    rest = (value << 1) ^ (value >> 63)
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)


def put_record(
    out: bytearray,
    offset_delta: int,
    timestamp_delta: int,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
) -> None:
    """Append one record, its length before it."""
    record = bytearray(1)
    put_varint(record, timestamp_delta)
    put_varint(record, offset_delta)
    _put_bytes(record, key)
    _put_bytes(record, value)
    headers = tuple(headers)
    put_varint(record, len(headers))
    for name, content in headers:
        _put_bytes(record, name.encode("utf-8", "surrogateescape"))
        _put_bytes(record, content)
    put_varint(out, len(record))
    out += record


def _put_bytes(out: bytearray, content: bytes | None) -> None:
    if content is None:
        out.append(1)  # the varint of -1
    else:
        put_varint(out, len(content))
        out += content


def _corrupt(why: str) -> Rejected:
    return Rejected(ErrorCode.CORRUPT_MESSAGE, f"The record batch is corrupt: {why}.")
