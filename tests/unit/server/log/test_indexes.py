"""The three indexes against searches that look at everything."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.log import offset_index, time_index, txn_index
from server.log.offset_index import OffsetIndex
from server.log.time_index import TimeIndex
from server.log.txn_index import AbortedTxn, TxnIndex

steps = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9000)), max_size=30)


def offset_index_of(entries: list[tuple[int, int]]) -> tuple[OffsetIndex, list[tuple[int, int]]]:
    index, placed, offset, position = OffsetIndex(), [], 0, 0
    for offset_step, position_step in entries:
        offset, position = offset + offset_step, position + position_step
        index.add(offset, position)
        placed.append((offset, position))
    return index, placed


@given(steps, st.integers(0, 1600))
def test_offset_look_ups_agree_with_a_look_at_every_entry(entries: list[tuple[int, int]], wanted: int) -> None:
    index, placed = offset_index_of(entries)
    assert index.before(wanted) == max((p for o, p in placed if o <= wanted), default=0)
    by = wanted * 100
    assert index.last_within(wanted, by) == max((e for e in placed if e[0] < wanted and e[1] <= by), default=(-1, 0))


@given(steps, st.integers(0, 90_000))
def test_truncation_forgets_the_entries_from_a_position_on(entries: list[tuple[int, int]], position: int) -> None:
    index, placed = offset_index_of(entries)
    index.truncate(position)
    assert list(zip(index.offsets, index.positions, strict=True)) == [e for e in placed if e[1] < position]


@given(steps, st.integers(0, 30))
def test_an_offset_index_is_saved_bit_by_bit_and_read_as_a_whole(entries: list[tuple[int, int]], first: int) -> None:
    index, placed = offset_index_of(entries)
    index.saved = min(first, len(placed))
    whole = b"".join(o.to_bytes(4, "big") + p.to_bytes(4, "big") for o, p in placed)
    assert index.unsaved() == whole[8 * index.saved :]
    again = offset_index.parse(whole, 1 << 30)
    assert (again.offsets, again.positions, again.saved) == (index.offsets, index.positions, len(placed))


def test_room_that_kafka_set_aside_holds_no_entries() -> None:
    index = offset_index.parse(b"\0\0\0\x03\0\0\0\xf6" + bytes(8000), 1000)
    assert (index.offsets, index.positions, index.saved) == (array("i", [3]), array("i", [246]), 1)


@pytest.mark.parametrize("data", [b"\0\0\0\x03\0\0\0", b"\0\0\0\x03\x7f\0\0\0", b"\xff\0\0\x03\0\0\0\xf6"])
def test_a_damaged_offset_index_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="offset index"):
        offset_index.parse(data, 1000)


def test_a_time_index_grows_only_when_time_does() -> None:
    index = TimeIndex()
    for timestamp, offset in ((100, 3), (100, 5), (90, 7), (120, 9)):
        index.add(timestamp, offset)
    assert list(zip(index.timestamps, index.offsets, strict=True)) == [(100, 3), (120, 9)]
    assert index.last == (120, 9)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=20), st.integers(0, 200))
def test_nothing_before_a_looked_up_time_is_as_young(entries: list[tuple[int, int]], wanted: int) -> None:
    index, placed, timestamp, offset = TimeIndex(), [], 0, 0
    for timestamp_step, offset_step in entries:
        timestamp, offset = timestamp + timestamp_step, offset + offset_step
        index.add(timestamp, offset)
        placed.append((timestamp, offset))
    assert index.before(wanted) == max((o for t, o in placed if t <= wanted), default=0)
    again = time_index.parse(index.unsaved() + bytes(24))
    assert (again.timestamps, again.offsets, again.saved) == (index.timestamps, index.offsets, len(placed))
    index.truncate(wanted)
    assert list(index.offsets) == [o for _, o in placed if o < wanted]


@pytest.mark.parametrize("data", [bytes(11), b"\0" * 7 + b"\x02" + bytes(4) + b"\0" * 7 + b"\x01" + b"\0\0\0\x01"])
def test_a_damaged_time_index_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="time index"):
        time_index.parse(data)


ABORTED = [AbortedTxn(1, 0, 10, 5), AbortedTxn(2, 5, 20, 21), AbortedTxn(3, 25, 30, 31)]


@pytest.mark.parametrize(
    ("start", "end", "found", "done"),
    [
        (0, 5, [0], True),
        (0, 6, [0, 1], True),
        (11, 12, [1], True),
        (21, 25, [], True),
        (21, 31, [2], True),
        (21, 40, [2], False),
        (31, 40, [], False),
    ],
)
def test_aborted_transactions_are_found_by_the_range_they_touch(
    start: int, end: int, found: list[int], done: bool
) -> None:
    assert txn_index.overlapping(ABORTED, start, end) == ([ABORTED[at] for at in found], done)


def test_a_transaction_index_is_saved_read_and_cut() -> None:
    index = TxnIndex()
    for entry in ABORTED:
        index.add(entry)
    data = index.unsaved()
    assert len(data) == 3 * 34
    again = txn_index.parse(data)
    assert (again.entries, again.saved, again.unsaved()) == (ABORTED, 3, b"")
    again.truncate(20)
    assert (again.entries, again.saved) == (ABORTED[:1], 1)


@pytest.mark.parametrize("data", [bytes(33), b"\0\x01" + bytes(32)])
def test_a_damaged_transaction_index_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="transaction index"):
        txn_index.parse(data)
