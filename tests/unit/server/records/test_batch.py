"""The header, the checks of a produced batch, the records inside."""

import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from server.model.errors import ErrorCode, Rejected
from server.records import batch, build
from server.records.batch import Record

LIMIT = 1 << 20
NOW = 1_700_000_000_000


def plain(count: int = 3, **given: Any) -> bytearray:
    records = [Record(0, NOW + i, b"k%d" % i, b"v%d" % i) for i in range(count)]
    return bytearray(build.build(records, **given))


def patched(data: bytearray, at: int, form: str, value: int) -> bytearray:
    """Change a field, and make the CRC right again."""
    struct.pack_into(form, data, at, value)
    struct.pack_into(">I", data, 17, batch.crc32c(bytes(data[21:])))
    return data


def code(data: bytes | bytearray, size: int | None = None, limit: int = LIMIT, *, zstd: bool = True) -> ErrorCode:
    try:
        batch.check(data, 0, len(data) if size is None else size, limit, zstd=zstd)
    except Rejected as refused:
        return refused.code
    return ErrorCode.NONE


def test_a_header_is_read_where_it_lies() -> None:
    data = b"xx" + plain(2, base_offset=7, leader_epoch=5, producer_id=9, producer_epoch=1, base_sequence=3)
    head = batch.header(data, 2)
    assert head._replace(crc=0) == batch.Header(7, len(data) - 14, 5, 2, 0, 0, 1, NOW, NOW + 1, 9, 1, 3, 2)
    assert (head.size, head.last_offset, head.next_offset, head.last_sequence) == (len(data) - 2, 8, 9, 4)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"codec": 3}, {"codec": 3}),
        ({"timestamp_type": 1}, {"timestamp_type": 1}),
        ({"transactional": True, "producer_id": 1}, {"is_transactional": True, "has_producer_id": True}),
        ({"control": True}, {"is_control": True}),
        ({"delete_horizon_ms": 5}, {"has_delete_horizon": True, "base_timestamp": 5}),
    ],
)
def test_attributes_say_what_a_batch_is(given: dict[str, Any], what: dict[str, Any]) -> None:
    head = batch.header(plain(**given))
    names = ("codec", "timestamp_type", "is_transactional", "is_control", "has_delete_horizon")
    unset = {name: 0 for name in names if name not in what}
    assert {name: getattr(head, name) for name in what} == what
    assert {name: int(getattr(head, name)) for name in unset} == unset


def test_sequences_wrap_to_zero() -> None:
    """KIP-98: sequence numbers are positive int32."""
    head = batch.header(plain(3, producer_id=1, producer_epoch=0, base_sequence=batch.MAX_SEQUENCE - 1))
    assert head.last_sequence == 0


def test_headers_stop_before_a_torn_tail() -> None:
    one, two = plain(1), plain(2, base_offset=1)
    data = one + two
    for end in range(len(one) + len(two)):
        whole = [0] if end >= len(one) else []
        assert [at for at, _ in batch.headers(data, 0, end)] == whole
        assert [at for at, _, _ in batch.frames(data, 0, end)] == whole
    assert [(at, head.base_offset) for at, head in batch.headers(data)] == [(0, 0), (len(one), 1)]
    assert list(batch.frames(data)) == [(0, len(one), 0), (len(one), len(two), 1)]


@pytest.mark.parametrize("walk", [batch.headers, batch.frames])
def test_a_length_that_no_batch_has_ends_the_walk(walk: Callable[[bytes], Any]) -> None:
    with pytest.raises(Rejected, match="CORRUPT_MESSAGE"):
        list(walk(struct.pack(">qi", 0, 48) + bytes(100)))


def test_a_sound_batch_passes() -> None:
    data = plain()
    assert batch.check(memoryview(b"abc" + data), 3, len(data), len(data)) == batch.header(data)
    assert code(plain(producer_id=0, producer_epoch=0, base_sequence=0, transactional=True)) is ErrorCode.NONE
    assert code(plain(base_offset=7)) is ErrorCode.NONE  # the leader gives offsets, whatever a client counted from


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ErrorCode.INVALID_RECORD),
        (bytes(60), ErrorCode.CORRUPT_MESSAGE),
        (plain() + plain(), ErrorCode.INVALID_RECORD),
        (plain()[:-1], ErrorCode.CORRUPT_MESSAGE),
        (plain() + b"x", ErrorCode.INVALID_RECORD),
        (patched(plain(), 8, ">i", 10), ErrorCode.CORRUPT_MESSAGE),
        (patched(plain(), 16, ">b", 1), ErrorCode.INVALID_RECORD),
        (patched(plain(), 57, ">i", 4), ErrorCode.INVALID_RECORD),
        (patched(plain(), 57, ">i", 0), ErrorCode.INVALID_RECORD),
        (patched(plain(), 23, ">i", 7), ErrorCode.INVALID_RECORD),
        (patched(patched(plain(), 23, ">i", -1), 57, ">i", 0), ErrorCode.INVALID_RECORD),
        (plain(control=True), ErrorCode.INVALID_RECORD),
        (patched(plain(), 21, ">h", 5), ErrorCode.INVALID_RECORD),
        (plain(producer_id=1, producer_epoch=0), ErrorCode.INVALID_RECORD),
        (plain(producer_id=1, base_sequence=0), ErrorCode.INVALID_PRODUCER_EPOCH),
        (plain(transactional=True), ErrorCode.INVALID_RECORD),
    ],
)
def test_an_unsound_batch_is_refused(data: bytes, expected: ErrorCode) -> None:
    assert code(data) is expected


def test_every_flipped_bit_behind_the_crc_is_noticed() -> None:
    good = plain(2)
    for at in range(16, len(good)):
        for bit in range(8):
            data = bytearray(good)
            data[at] ^= 1 << bit
            assert code(data) is not ErrorCode.NONE


def test_a_batch_may_be_as_large_as_the_limit_and_no_larger() -> None:
    data = plain()
    assert code(data, limit=len(data)) is ErrorCode.NONE
    assert code(data, limit=len(data) - 1) is ErrorCode.MESSAGE_TOO_LARGE


def test_zstd_needs_a_request_that_knows_it() -> None:
    """KIP-110: Produce v7."""
    assert code(plain(codec=batch.ZSTD), zstd=False) is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert code(plain(codec=batch.ZSTD)) is ErrorCode.NONE


@pytest.mark.parametrize(
    ("timestamps", "sound"),
    [
        ((NOW, NOW + 10), True),
        ((NOW - 20, NOW), True),
        ((NOW, NOW + 11), False),
        ((NOW - 21, NOW), False),
        ((-1, -1), True),
    ],
)
def test_times_must_lie_around_now(timestamps: tuple[int, int], sound: bool) -> None:
    """KIP-937: message.timestamp.before.max.ms and message.timestamp.after.max.ms."""
    head = batch.header(build.build([Record(0, t, None, None) for t in timestamps]))
    if sound:
        batch.check_times(head, NOW, 20, 10)
    else:
        with pytest.raises(batch.RecordsRejected) as refused:
            batch.check_times(head, NOW, 20, 10)
        assert (refused.value.code, refused.value.record_errors[0][0]) == (ErrorCode.INVALID_TIMESTAMP, 0)


def test_a_producer_must_not_set_the_append_time() -> None:
    with pytest.raises(Rejected, match="INVALID_TIMESTAMP"):
        batch.check_times(batch.header(plain(timestamp_type=1)), NOW, LIMIT, LIMIT)


def test_a_compacted_topic_needs_keys() -> None:
    data = build.build([Record(0, NOW, key, b"v") for key in (b"k", None, b"", None)], codec=batch.GZIP)
    with pytest.raises(batch.RecordsRejected) as refused:
        batch.check_keys(data)
    assert refused.value.code is ErrorCode.INVALID_RECORD
    assert [index for index, _ in refused.value.record_errors] == [1, 3]
    batch.check_keys(plain())


def test_a_stamp_changes_place_and_epoch_only() -> None:
    data = plain()
    before = batch.header(data)
    batch.stamp(data, 0, 1 << 40, 77)
    assert batch.verify(data) == before._replace(base_offset=1 << 40, partition_leader_epoch=77)


def test_a_stored_batch_may_have_lost_records_to_compaction() -> None:
    head = batch.header(plain(5, base_offset=100))
    rest = build.rebuild(head, [])
    assert batch.verify(rest).last_offset == 104
    assert list(batch.records(rest)) == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (plain()[:60], ErrorCode.CORRUPT_MESSAGE),
        (plain()[:-1], ErrorCode.CORRUPT_MESSAGE),
        (plain()[:-1] + b"\x01", ErrorCode.CORRUPT_MESSAGE),
        (patched(plain(), 16, ">b", 3), ErrorCode.CORRUPT_MESSAGE),
        (patched(plain(), 16, ">b", 1), ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (patched(plain(), 16, ">b", 0), ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (patched(plain(), 57, ">i", 9), ErrorCode.CORRUPT_MESSAGE),
        (patched(plain(), 57, ">i", -1), ErrorCode.CORRUPT_MESSAGE),
        (patched(plain(), 8, ">i", 48), ErrorCode.CORRUPT_MESSAGE),
    ],
)
def test_a_damaged_stored_batch_is_noticed(data: bytes, expected: ErrorCode) -> None:
    with pytest.raises(Rejected) as refused:
        batch.verify(data)
    assert refused.value.code is expected


def test_under_append_time_every_record_has_the_time_of_the_batch() -> None:
    data = plain()
    build.restamp_append_time(data, NOW + 5000)
    assert batch.verify(data).timestamp_type == 1
    assert {record.timestamp for record in batch.records(data)} == {NOW + 5000}


def test_reading_headers_imports_nothing_heavy() -> None:
    """`kcli dump-log` and the like must start fast; CRC-32C and the codecs are bound at first use."""
    script = "import sys, server.records.batch; print({'crc32c', 'cramjam', 'asyncio'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"
