"""Frames and headers: what stands around every message.

A frame is an int32 size and as many bytes: a header, then the body. A request's header names the API, the version,
the correlation id that the answer repeats, and the client; a flexible version's header ends with tagged fields, which
nobody has defined any, so they are skipped.
Source: KIP-482 (header versions), KIP-511 (the answer to ApiVersions).
"""

from struct import Struct
from struct import error as ShortBuffer
from typing import NamedTuple

from server.ports import Buffer
from server.wire.api import header_versions
from server.wire.primitives import MAX_STRING_BYTES, Malformed, read_uvarint, uvarint

SIZE_BYTES = 4
MIN_REQUEST_BYTES = 8
MAX_REQUEST_BYTES = 100 * 1024 * 1024  # the default of socket.request.max.bytes
MAX_RESPONSE_BYTES = 2**31 - 1

_SIZE = Struct(">i")
_SIZE_AND_ID = Struct(">ii")
_SIZE_ID_NO_TAGS = Struct(">iix")
_HEAD = Struct(">hhih")


class RequestHeader(NamedTuple):
    api_key: int
    version: int
    correlation_id: int
    client_id: str | None


def frame_size(buffer: Buffer, at: int = 0) -> int:
    """The number of bytes that follow a size prefix; may be any int32, so check it."""
    size: int = _SIZE.unpack_from(buffer, at)[0]
    return size


def decode_request_header(buffer: Buffer, at: int = 0) -> tuple[RequestHeader, int]:
    """The header that begins at `at`, behind the size, and where the body begins.

    raises Malformed, and Rejected(UNSUPPORTED_VERSION) for an API key that does not exist. A version that does not
    exist is left to the caller: ApiVersions must be answered for any.
    """
    try:
        api_key, version, correlation_id, size = _HEAD.unpack_from(buffer, at)
    except ShortBuffer:
        raise Malformed("the request ends inside its header") from None
    at += _HEAD.size
    client_id = None
    if size >= 0:
        if at + size > len(buffer):
            raise Malformed("the request ends inside its client id")
        try:
            client_id = str(memoryview(buffer)[at : at + size], "utf-8")
        except UnicodeDecodeError:
            raise Malformed("the client id is not UTF-8") from None
        at += size
    if header_versions(api_key, version)[0] > 1:
        at = _past_tags(buffer, at)
    return RequestHeader(api_key, version, correlation_id, client_id), at


def response_frame(correlation_id: int, header_version: int, body: Buffer) -> bytes:
    """A whole response frame, size and header before the body."""
    return response_head(correlation_id, header_version, len(body)) + body


def response_head(correlation_id: int, header_version: int, body_bytes: int) -> bytes:
    """Size and header of a response whose body is sent separately."""
    if header_version:
        return _SIZE_ID_NO_TAGS.pack(body_bytes + 5, correlation_id)
    return _SIZE_AND_ID.pack(body_bytes + 4, correlation_id)


def request_frame(header: RequestHeader, body: Buffer) -> bytes:
    """A whole request frame, for peers."""
    client = b"" if header.client_id is None else header.client_id.encode()
    if len(client) > MAX_STRING_BYTES:
        raise ValueError(f"client id longer than {MAX_STRING_BYTES} bytes")
    length = -1 if header.client_id is None else len(client)
    head = _HEAD.pack(header.api_key, header.version, header.correlation_id, length) + client
    if header_versions(header.api_key, header.version)[0] > 1:
        head += uvarint(0)
    return _SIZE.pack(len(head) + len(body)) + head + body


def decode_response_header(buffer: Buffer, header_version: int, at: int = 0) -> tuple[int, int]:
    """The correlation id of the response whose header begins at `at`, behind the size, and where the body begins."""
    try:
        correlation_id: int = _SIZE.unpack_from(buffer, at)[0]
    except ShortBuffer:
        raise Malformed("the response ends inside its header") from None
    at += _SIZE.size
    return correlation_id, _past_tags(buffer, at) if header_version else at


def _past_tags(buffer: Buffer, at: int) -> int:
    count, at = read_uvarint(buffer, at)
    if count * 2 > len(buffer) - at:
        raise Malformed("the header has more tags than bytes")
    for _ in range(count):
        _, at = read_uvarint(buffer, at)
        size, at = read_uvarint(buffer, at)
        at += size
    if at > len(buffer):
        raise Malformed("the header ends inside a tagged field")
    return at
