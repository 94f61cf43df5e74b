"""Compression: framings that other clients read and write, and bombs."""

import gzip
import struct

import cramjam
import pytest

from server.model.errors import ErrorCode, Rejected
from server.records import compression
from server.records.batch import GZIP, LZ4, SNAPPY, ZSTD

TEXT = b"the quick brown fox " * 9000  # beyond one block of every framing


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
@pytest.mark.parametrize("data", [b"", b"a", TEXT, bytes(range(256)) * 600], ids=["empty", "one", "text", "bytes"])
def test_what_was_compressed_is_given_back(codec: int, data: bytes) -> None:
    assert compression.decompress(codec, compression.compress(codec, data)) == data


def test_incompressible_lz4_blocks_are_stored() -> None:
    noise = cramjam.gzip.compress(bytes(range(256)) * 4000, level=9)
    data = bytes(noise) * 3
    packed = compression.compress(LZ4, data)
    assert compression.decompress(LZ4, packed) == data


@pytest.mark.parametrize(
    ("codec", "level"), [(GZIP, 1), (GZIP, 9), (GZIP, -1), (LZ4, 1), (LZ4, 17), (ZSTD, -5), (ZSTD, 22)]
)
def test_levels_are_taken(codec: int, level: int) -> None:
    """KIP-390."""
    assert compression.decompress(codec, compression.compress(codec, TEXT, level)) == TEXT


def test_snappy_is_read_bare_and_framed_and_written_framed() -> None:
    """Java writes xerial's frame, librdkafka one bare block."""
    bare = bytes(cramjam.snappy.compress_raw(TEXT))
    assert compression.decompress(SNAPPY, bare) == TEXT
    framed = compression.compress(SNAPPY, TEXT)
    assert framed[:16] == b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    assert struct.unpack(">i", framed[16:20])[0] == len(cramjam.snappy.compress_raw(TEXT[: 32 << 10]))


def test_lz4_blocks_are_independent() -> None:
    """Java's reader refuses linked blocks. Flags 0x60: version 1, independent; 0x40: 64 KB."""
    assert compression.compress(LZ4, TEXT)[:7].hex() == "04224d18604082"


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_a_bomb_is_refused(codec: int) -> None:
    bomb = compression.compress(codec, bytes(3 << 20))
    assert len(compression.decompress(codec, bomb, limit=3 << 20)) == 3 << 20
    with pytest.raises(Rejected) as refused:
        compression.decompress(codec, bomb, limit=(3 << 20) - 1)
    assert refused.value.code is ErrorCode.CORRUPT_MESSAGE


def test_a_bare_snappy_block_that_claims_gigabytes_is_refused() -> None:
    with pytest.raises(Rejected, match="CORRUPT_MESSAGE"):
        compression.decompress(SNAPPY, b"\xff\xff\xff\xff\x0f" + b"x" * 20)


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
@pytest.mark.parametrize("damage", ["cut", "noise", "nothing"])
def test_broken_streams_are_refused(codec: int, damage: str) -> None:
    packed = compression.compress(codec, TEXT)
    broken = {"cut": packed[:-9], "noise": b"\x01\x02\x03" * 30, "nothing": packed[:3]}[damage]
    with pytest.raises(Rejected) as refused:
        compression.decompress(codec, broken)
    assert refused.value.code is ErrorCode.CORRUPT_MESSAGE


def test_unknown_codecs_are_refused() -> None:
    with pytest.raises(Rejected, match="CORRUPT_MESSAGE"):
        compression.decompress(5, b"x")
    with pytest.raises(Rejected, match="UNSUPPORTED_COMPRESSION_TYPE"):
        compression.compress(5, b"x")


def test_gzip_is_what_others_read() -> None:
    assert gzip.decompress(compression.compress(GZIP, TEXT)) == TEXT
