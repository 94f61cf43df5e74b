"""Compression of a batch's records, bounded: what a client may claim to be small cannot fill the memory.

Framing is what Java's clients can read. Snappy: blocks in xerial's frame (librdkafka writes one bare block; both are
read). LZ4: frames of independent 64 KB blocks, without checksums, as Java refuses linked blocks; gzip and zstd: plain
streams. The libraries are bound at first use: a broker only passes compressed batches on.
Source: KIP-110 (zstd), KIP-390 (levels), the LZ4 frame format 1.6, snappy-java's SnappyOutputStream.
"""

import struct
from typing import Any

from server.model.errors import ErrorCode, Rejected
from server.ports import Buffer
from server.records.batch import GZIP, LZ4, NONE, SNAPPY, ZSTD

MAX_DECOMPRESSED_BYTES = 256 << 20
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL + struct.pack(">ii", 1, 1)  # version, and the oldest version that can read it
_XERIAL_BLOCK = 32 << 10
_LZ4_HEADER = bytes.fromhex("04224d18604082")  # magic; version 1, independent blocks; 64 KB; checksum of these two
_LZ4_BLOCK = 64 << 10
_LZ4_STORED = 1 << 31
_LZ4_END = bytes(4)
_GZIP_LEVEL, _LZ4_LEVEL, _ZSTD_LEVEL = 6, 9, 3  # Kafka's defaults; its gzip level -1 means zlib's 6
_int = struct.Struct(">i")
_word = struct.Struct("<I")


def decompress(codec: int, data: Buffer, limit: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """Give the plain bytes. Raises Rejected(CORRUPT_MESSAGE): broken, unknown codec, or more than `limit` bytes."""
    if codec == NONE:
        return bytes(data)
    import cramjam

    if codec == SNAPPY:
        return _unsnappy(cramjam.snappy, bytes(data), limit)
    library = {GZIP: cramjam.gzip, LZ4: cramjam.lz4, ZSTD: cramjam.zstd}.get(codec)
    if library is None:
        raise _corrupt(f"unknown compression type id {codec}")
    room = min(limit, max(4096, 4 * len(data)))
    while True:
        out = bytearray(room)
        try:
            size = library.decompress_into(data, out)
        except cramjam.DecompressionError as error:
            if "write whole buffer" not in str(error):  # its only sign of a buffer that is too small
                raise _corrupt(str(error)) from error
            if room == limit:
                raise _corrupt(f"it holds more than {limit} bytes") from error
            room = min(limit, room * 8)
        else:
            return bytes(memoryview(out)[:size])


def compress(codec: int, data: Buffer, level: int | None = None) -> bytes:
    """Compress; `level` None or -1 takes Kafka's default. Raises Rejected(UNSUPPORTED_COMPRESSION_TYPE)."""
    if codec == NONE:
        return bytes(data)
    import cramjam

    asked = None if level == -1 and codec == GZIP else level
    if codec == GZIP:
        return bytes(cramjam.gzip.compress(data, level=_GZIP_LEVEL if asked is None else asked))
    if codec == SNAPPY:
        return _snappy(cramjam.snappy, data)
    if codec == LZ4:
        return _lz4(cramjam.lz4, data, _LZ4_LEVEL if asked is None else asked)
    if codec == ZSTD:
        return bytes(cramjam.zstd.compress(data, level=_ZSTD_LEVEL if asked is None else asked))
    raise Rejected(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"Unknown compression type id: {codec}")


def _snappy(library: Any, data: Buffer) -> bytes:
    view, out = memoryview(data), bytearray(_XERIAL_HEADER)
    for at in range(0, len(view), _XERIAL_BLOCK):
        block = bytes(library.compress_raw(view[at : at + _XERIAL_BLOCK]))
        out += _int.pack(len(block))
        out += block
    return bytes(out)


def _unsnappy(library: Any, data: bytes, limit: int) -> bytes:
    if not data.startswith(_XERIAL):
        return _unsnappy_block(library, data, limit)
    out, at = bytearray(), len(_XERIAL_HEADER)
    while at < len(data):
        if at + 4 > len(data):
            raise _corrupt("a snappy block's length is cut off")
        (size,) = _int.unpack_from(data, at)
        at += 4
        if not 0 <= size <= len(data) - at:
            raise _corrupt(f"a snappy block of {size} bytes does not fit")
        out += _unsnappy_block(library, data[at : at + size], limit - len(out))
        at += size
    return bytes(out)


def _unsnappy_block(library: Any, block: bytes, limit: int) -> bytes:
    import cramjam

    try:
        size = library.decompress_raw_len(block)
        if size > limit:
            raise _corrupt(f"it holds more than {limit} bytes")
        return bytes(library.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise _corrupt(str(error)) from error


def _lz4(library: Any, data: Buffer, level: int) -> bytes:
    view, out = memoryview(data), bytearray(_LZ4_HEADER)
    for at in range(0, len(view), _LZ4_BLOCK):
        plain = view[at : at + _LZ4_BLOCK]
        block = bytes(library.compress_block(plain, mode="high_compression", compression=level, store_size=False))
        if len(block) < len(plain):
            out += _word.pack(len(block)) + block
        else:
            out += _word.pack(len(plain) | _LZ4_STORED)
            out += plain
    return bytes(out + _LZ4_END)


def _corrupt(why: str) -> Rejected:
    return Rejected(ErrorCode.CORRUPT_MESSAGE, f"The record batch is corrupt: {why}.")
