"""The records of __consumer_offsets: byte for byte, every version, and what is no record."""

import pytest

from server.groups.records import (
    GROUP,
    OFFSET,
    TYPES,
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    OffsetCommitKey,
    OffsetCommitValue,
)
from server.model.coordination import Entry
from server.wire.codec import Malformed, encoder
from server.wire.schema import parse

MEMBER = MemberMetadata("m", "c", "/1.2.3.4", 45_000, b"topics", b"mine", 300_000, "i")
GROUP_VALUE = GroupMetadataValue("consumer", 3, "range", "m", (MEMBER,), 1_000)


def test_a_commit_has_kafkas_bytes() -> None:
    entry = TYPES.entry(OffsetCommitKey("g", "t", 1), OffsetCommitValue(5, "note", 9, 2))
    assert entry.key == b"\x00\x01" + b"\x00\x01g" + b"\x00\x01t" + b"\x00\x00\x00\x01"
    value = b"\x00\x04" + (5).to_bytes(8) + (2).to_bytes(4) + b"\x05note" + (9).to_bytes(8) + b"\x00"
    assert entry.value == value
    assert TYPES.read(entry) == (OffsetCommitKey("g", "t", 1), OffsetCommitValue(5, "note", 9, 2))


def test_a_group_survives_a_round_trip_and_so_does_its_tombstone() -> None:
    key = GroupMetadataKey("g")
    assert TYPES.read(TYPES.entry(key, GROUP_VALUE)) == (key, GROUP_VALUE)
    assert TYPES.entry(key, None) == Entry(b"\x00\x02\x00\x01g", None)
    assert TYPES.read(Entry(b"\x00\x02\x00\x01g", None)) == (key, None)


@pytest.mark.parametrize("kind", [OFFSET, GROUP], ids=["offset", "group"])
def test_every_version_is_read(kind: object) -> None:
    kind = OFFSET if kind is OFFSET else GROUP
    value = OffsetCommitValue(5, "note", 9) if kind is OFFSET else GROUP_VALUE
    key = b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x01" if kind is OFFSET else b"\x00\x02\x00\x01g"
    for version, text in kind.values.items():
        out = bytearray(version.to_bytes(2))
        encoder(parse("value", text, kind.value, kind.nested))(value, out)
        read = TYPES.read(Entry(key, bytes(out)))
        assert read is not None
        assert read[1] is not None
        assert read[1].offset == 5 if kind is OFFSET else read[1].generation == 3


def test_offsets_of_the_first_key_version_are_read() -> None:
    entry = TYPES.entry(OffsetCommitKey("g", "t", 1), None)
    assert TYPES.read(Entry(b"\x00\x00" + entry.key[2:], None)) == (OffsetCommitKey("g", "t", 1), None)


def test_a_type_of_another_time_is_left_to_it() -> None:
    assert TYPES.read(Entry(b"\x00\x63whatever", b"")) is None


@pytest.mark.parametrize(
    "entry", [Entry(b"", None), Entry(b"\x00\x02\x00\x01g", b"\x00"), Entry(b"\x00\x02\x00\x01g", b"\x00\x09")]
)
def test_what_cannot_be_read_is_said_to_be_so(entry: Entry) -> None:
    with pytest.raises(Malformed):
        TYPES.read(entry)
