"""What all codecs share: the refusal of bad bytes, varints, ids.

Source: KIP-482 (unsigned varints, compact lengths).
"""

from functools import lru_cache
from uuid import UUID

from server.model.errors import ErrorCode, Rejected
from server.model.ids import ZERO_UUID
from server.ports import Buffer

MAX_STRING_BYTES = 0x7FFF
MAX_CACHED_UUIDS = 4096
MAX_VARINT_BYTES = 5
# Unsigned varints of one byte; lengths of names and of most arrays are among them.
UVARINTS = tuple(bytes([n]) for n in range(128))


class Malformed(Rejected):
    """Bytes that are not the message they are said to be."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, message)


def uvarint(value: int) -> bytes:
    """Write an unsigned varint; `value` is from 0 to 2**32 - 1."""
    if value < 128:
        return UVARINTS[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def rest_of_uvarint(buffer: Buffer, at: int, first: int) -> tuple[int, int]:
    """Read on from `at` a varint whose `first` byte said that there is more: (value, next offset).

    raises IndexError at the end of the buffer, and Malformed past 32 bits
    """
    value, shift = first & 127, 7
    while True:
        byte = buffer[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift >= 7 * MAX_VARINT_BYTES:
            raise Malformed("a varint is longer than 5 bytes")
    if value > 0xFFFFFFFF:
        raise Malformed("a varint is larger than 32 bits")
    return value, at


def read_uvarint(buffer: Buffer, at: int) -> tuple[int, int]:
    """Read an unsigned varint: (value, next offset). Raises Malformed."""
    try:
        first = buffer[at]
        return rest_of_uvarint(buffer, at + 1, first) if first > 127 else (first, at + 1)
    except IndexError:
        raise Malformed("the message ends inside a varint") from None


@lru_cache(MAX_CACHED_UUIDS)
def uuid_from(raw: bytes) -> UUID:
    """Read 16 bytes. Cached: the same topic ids come with every request, and making a UUID costs a microsecond."""
    return UUID(bytes=raw) if any(raw) else ZERO_UUID
