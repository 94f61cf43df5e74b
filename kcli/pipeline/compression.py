"""Compression of a batch's records, as Java's clients write and read it.

Snappy goes out in the frame of snappy-java, blocks of 32 KB; readers meet bare blocks too (librdkafka). LZ4 goes out as
frames of independent blocks: Java refuses blocks that lean on their predecessors. What a broker sends may claim to be
small, so that decompression has a limit.
Source: snappy-java's SnappyOutputStream, the LZ4 frame format, KIP-110 (zstd), KIP-390 (levels).
"""

import struct
from typing import Any

from kcli.errors import Failure
from kcli.pipeline.wire import Buffer

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
MAX_PLAIN_BYTES = 256 << 20
LEVELS = {GZIP: 6, LZ4: 9, ZSTD: 3}  # Kafka's defaults
SNAPPY_MAGIC = b"\x82SNAPPY\0"
SNAPPY_FRAME = SNAPPY_MAGIC + struct.pack(">ii", 1, 1)  # version, and the oldest that can read it
SNAPPY_BLOCK, LZ4_BLOCK = 32 << 10, 64 << 10
LZ4_FRAME = bytes.fromhex("04224d18604082")  # magic; version 1, independent blocks; 64 KB; checksum of those two bytes
LZ4_STORED = 1 << 31


def compressed(codec: int, data: Buffer, level: int | None = None) -> bytes:
    if codec == NONE:
        return bytes(data)
    import cramjam  # most batches are plain

    level = LEVELS.get(codec) if level is None or (codec == GZIP and level == -1) else level
    if codec == SNAPPY:
        return _snappy(cramjam.snappy, memoryview(data))
    if codec == LZ4:
        return _lz4(cramjam.lz4, memoryview(data), level)
    library = cramjam.gzip if codec == GZIP else cramjam.zstd
    return bytes(library.compress(data, level=level))


def plain(codec: int, data: memoryview, limit: int = MAX_PLAIN_BYTES) -> Buffer:
    """Decompress. Raises Failure: broken, of an unknown codec, or more than `limit` bytes."""
    if codec == NONE:
        return data
    import cramjam

    libraries = {GZIP: cramjam.gzip, LZ4: cramjam.lz4, ZSTD: cramjam.zstd}
    try:
        if codec == SNAPPY:
            return _unsnappy(cramjam.snappy, bytes(data), limit)
        if codec not in libraries:
            raise Failure(f"A record batch is compressed by the unknown codec {codec}")
        return _grown(cramjam, libraries[codec], data, limit)
    except (cramjam.DecompressionError, struct.error) as error:
        raise Failure(f"A record batch cannot be decompressed ({CODECS[codec]}): {error}") from error


def _grown(cramjam: Any, library: Any, data: memoryview, limit: int) -> Buffer:
    room = min(limit, max(1 << 14, 8 * len(data)))
    while True:
        out = bytearray(room)
        try:
            return memoryview(out)[: library.decompress_into(data, out)]
        except cramjam.DecompressionError as error:
            # The library has no other sign of a buffer that is too small.
            if "write whole buffer" not in str(error):
                raise
            if room == limit:
                raise _too_large(limit) from error
            room = min(limit, room * 4)


def _too_large(limit: int) -> Failure:
    return Failure(f"A record batch holds more than {limit} bytes when it is decompressed")


def _snappy(library: Any, data: memoryview) -> bytes:
    out = [SNAPPY_FRAME]
    for at in range(0, len(data), SNAPPY_BLOCK):
        block = bytes(library.compress_raw(data[at : at + SNAPPY_BLOCK]))
        out += [struct.pack(">i", len(block)), block]
    return b"".join(out)


def _unsnappy(library: Any, data: bytes, limit: int) -> bytes:
    if not data.startswith(SNAPPY_MAGIC):
        return _block(library, data, limit, limit)
    out, at, room = [], len(SNAPPY_FRAME), limit
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        if not 0 <= size <= len(data) - at - 4:
            raise Failure("A record batch cannot be decompressed (snappy): a block is cut off")
        out.append(_block(library, data[at + 4 : at + 4 + size], limit, room))
        room -= len(out[-1])
        at += 4 + size
    return b"".join(out)


def _block(library: Any, block: bytes, limit: int, room: int) -> bytes:
    if library.decompress_raw_len(block) > room:
        raise _too_large(limit)
    return bytes(library.decompress_raw(block))


def _lz4(library: Any, data: memoryview, level: int | None) -> bytes:
    out = [LZ4_FRAME]
    for at in range(0, len(data), LZ4_BLOCK):
        piece = data[at : at + LZ4_BLOCK]
        block = bytes(library.compress_block(piece, mode="high_compression", compression=level, store_size=False))
        stored = len(block) >= len(piece)
        out += [struct.pack("<I", len(piece) | LZ4_STORED if stored else len(block)), bytes(piece) if stored else block]
    return b"".join(out) + bytes(4)  # an empty block ends the frame
