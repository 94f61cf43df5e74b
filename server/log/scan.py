"""Walking through the batches of a segment file: by headers alone, or whole and checked."""

import zlib
from collections.abc import Iterator

from server.model.errors import ErrorCode, Rejected
from server.ports import File
from server.records.batch import HEADER_SIZE, LENGTH_END, MAGIC, MIN_BATCH_LENGTH, Header, header, verify

HEADERS_CHUNK = 8 * 1024  # two index intervals: most walks end within one read
BATCHES_CHUNK = 1 << 20
_MIN_OLD_MESSAGE = 14  # bytes behind offset and size, with neither key nor value
MAX_RELATIVE_OFFSET = 0x7FFFFFFF  # indexes have 32 bits for it


def headers(file: File, at: int, end: int, chunk: int = HEADERS_CHUNK) -> Iterator[tuple[int, Header]]:
    """Yield (position, header) of the whole batches in file[at:end], reading little of what lies between them.

    Raises Rejected(CORRUPT_MESSAGE): there is something else than a batch.
    """
    data, origin = b"", at
    while at + HEADER_SIZE <= end:
        if at + HEADER_SIZE > origin + len(data):
            data, origin = file.pread(min(chunk, end - at), at), at
            if len(data) < HEADER_SIZE:
                return
        head = header(data, at - origin)
        if head.magic != MAGIC or head.batch_length < MIN_BATCH_LENGTH:
            raise Rejected(
                ErrorCode.CORRUPT_MESSAGE,
                f"No record batch at position {at}: magic {head.magic}, length {head.batch_length}.",
            )
        if at + head.size > end:
            return
        yield at, head
        at += head.size


def batches(file: File, at: int, end: int) -> Iterator[tuple[int, Header, memoryview]]:
    """Yield (position, header, bytes) of every batch in file[at:end]; the CRC is not checked.

    Raises Rejected(CORRUPT_MESSAGE).
    """
    data, origin = memoryview(b""), at
    while at + HEADER_SIZE <= end:
        if at + HEADER_SIZE > origin + len(data):
            data, origin = memoryview(file.pread(min(BATCHES_CHUNK, end - at), at)), at
        head = header(data, at - origin)
        if head.magic != MAGIC or head.batch_length < MIN_BATCH_LENGTH or at + head.size > end:
            raise Rejected(
                ErrorCode.CORRUPT_MESSAGE,
                f"No record batch at position {at}: magic {head.magic}, length {head.batch_length}.",
            )
        if at + head.size > origin + len(data):
            data, origin = memoryview(file.pread(max(BATCHES_CHUNK, head.size), at)), at
        yield at, head, data[at - origin : at - origin + head.size]
        at += head.size


def sound_batches(file: File, base: int, size: int) -> Iterator[tuple[int, Header, memoryview]]:
    """Yield the batches of a segment up to the first one that cannot have been written as it is.

    Torn, with a wrong CRC, with offsets that go back or that a segment with this base offset cannot hold: what follows
    such a batch is lost. Raises Rejected(UNSUPPORTED_FOR_MESSAGE_FORMAT), because old formats are not damage.
    """
    at, next_offset = 0, base
    data, origin = memoryview(b""), 0
    while at + HEADER_SIZE <= size:
        if at + HEADER_SIZE > origin + len(data):
            data, origin = memoryview(file.pread(min(BATCHES_CHUNK, size - at), at)), at
        head = header(data, at - origin)
        length = head.size
        if head.magic == MAGIC and at + length > origin + len(data) and HEADER_SIZE <= length <= size - at:
            data, origin = memoryview(file.pread(max(BATCHES_CHUNK, length), at)), at
        try:
            verify(data, at - origin)
        except Rejected as refusal:
            if refusal.code is ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT and _is_old_message(file, at, size):
                raise
            return
        if head.base_offset < next_offset or head.last_offset - base > MAX_RELATIVE_OFFSET:
            return
        yield at, head, data[at - origin : at - origin + length]
        next_offset = head.next_offset
        at += length


def _is_old_message(file: File, at: int, size: int) -> bool:
    """Tell a message of magic 0 or 1 from the zeros and the rubble of a torn tail, by its own CRC."""
    length = int.from_bytes(file.pread(4, at + 8), "big", signed=True)
    if not _MIN_OLD_MESSAGE <= length <= size - at - LENGTH_END:
        return False
    data = file.pread(length, at + LENGTH_END)
    return zlib.crc32(data[4:]) == int.from_bytes(data[:4], "big")
