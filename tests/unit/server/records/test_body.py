"""The records inside a batch: read whole, or refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.model.errors import ErrorCode, Rejected
from server.records import batch, body, build
from server.records.batch import Record

RECORD = st.builds(
    Record,
    st.just(0),
    st.integers(0, 1 << 50),
    st.none() | st.binary(max_size=90),
    st.none() | st.binary(max_size=300),
    st.lists(st.tuples(st.text(max_size=70), st.none() | st.binary(max_size=70)), max_size=3).map(tuple),
)


@given(st.lists(RECORD, min_size=1, max_size=20), st.integers(0, 1 << 60), st.sampled_from(range(5)))
def test_what_was_built_is_read(records: list[Record], base_offset: int, codec: int) -> None:
    data = build.build(records, base_offset=base_offset, codec=codec)
    assert list(batch.records(data)) == [r._replace(offset=base_offset + i) for i, r in enumerate(records)]


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_a_varint_is_read_as_it_was_put(value: int) -> None:
    out = bytearray(b"x")
    body.put_varint(out, value)
    assert body.varint(bytes(out), 1) == (value, len(out))


def test_varints_are_zigzag() -> None:
    """0, -1, 1, -2 are 0, 1, 2, 3; seven bits a byte, the lowest first."""
    out = bytearray()
    for value in (0, -1, 1, -2, 63, -64, 64, 300):
        body.put_varint(out, value)
    assert out.hex() == "00010203" + "7e7f8001" + "d804"


def header_for(count: int) -> batch.Header:
    return batch.header(build.build([Record(0, 0, None, None)] * count))


def damaged(change: Callable[[bytearray], object]) -> bytes:
    """The body of one record `key`, `value`, one header; damaged."""
    data = bytearray()
    body.put_record(data, 0, 0, b"key", b"value", [("name", b"content")])
    change(data)
    return bytes(data)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (lambda d: d.pop(), 1),
        (lambda d: d.append(0), 1),
        (lambda d: d.__setitem__(0, d[0] + 2), 1),
        (lambda d: d.__setitem__(0, d[0] - 2), 1),
        (lambda d: d.__setitem__(0, 1), 1),
        (lambda d: d.__setitem__(4, 0x7E), 1),
        (lambda d: d.__setitem__(8, 0x7E), 1),
        (lambda d: d.__setitem__(14, 0x7E), 1),
        (lambda d: d.__setitem__(14, 3), 1),
        (lambda d: d.__setitem__(15, 3), 1),
        (lambda d: d.__setitem__(15, 0x7E), 1),
        (lambda d: d.__setitem__(slice(2, 3), b"\xff" * 11), 1),
        (lambda d: None, 2),
        (lambda d: d.clear(), 1),
    ],
)
def test_a_damaged_record_is_refused(change: Callable[[bytearray], object], count: int) -> None:
    with pytest.raises(Rejected) as refused:
        list(body.records(damaged(change), header_for(count)))
    assert refused.value.code is ErrorCode.CORRUPT_MESSAGE


@given(st.binary(max_size=80), st.integers(-2, 5))
def test_any_bytes_are_read_or_refused(data: bytes, count: int) -> None:
    head = header_for(1)._replace(count=count)
    outcome: ErrorCode | int
    try:
        outcome = len(list(body.records(data, head)))
    except Rejected as refused:
        outcome = refused.code
    assert outcome in (count, ErrorCode.CORRUPT_MESSAGE)


def test_any_negative_length_is_null() -> None:
    """As Java reads it, not only -1."""
    data = bytes((12, 0, 0, 0, 3, 5, 0))
    assert list(body.records(data, header_for(1))) == [Record(0, 0, None, None)]


def test_names_that_are_not_utf8_survive() -> None:
    out = bytearray()
    body.put_record(out, 0, 0, None, None, [("\udcff", b"x")])
    (record,) = body.records(bytes(out), header_for(1))
    again = bytearray()
    body.put_record(again, 0, 0, None, None, record.headers)
    assert again == out
