"""The records of __transaction_state, byte by byte."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.model.coordination import Entry
from server.txn import records
from server.txn.state import State, TopicPartition, Txn
from server.wire.codec import Malformed

SMALL, LARGE = st.integers(-(1 << 15), (1 << 15) - 1), st.integers(-(1 << 63), (1 << 63) - 1)
PARTITIONS = st.frozensets(st.builds(TopicPartition, st.text(max_size=5), st.integers(0, 9)), max_size=4)
TXNS = st.builds(
    Txn, LARGE, SMALL, st.integers(0, 1 << 30), st.sampled_from(State), PARTITIONS, LARGE, LARGE, LARGE, LARGE, SMALL
)


def txn(state: State) -> Txn:
    where = frozenset({TopicPartition("a", 1), TopicPartition("a", 0)})
    return Txn(1000, 2, 60_000, state, frozenset() if state is State.EMPTY else where, 5, 4, 999, -1, 2)


def test_version_1_names_the_ids_before_and_after_and_the_version() -> None:
    """KIP-890: tagged fields."""
    key, value = records.entry("t", txn(State.ONGOING), level=2)
    assert key.hex() == "0000000174"
    assert value is not None
    assert value.hex() == (
        "0001" "00000000000003e8" "0002" "0000ea60" "01"
        "02" "0261" "03" "00000000" "00000001" "00"
        "0000000000000005" "0000000000000004"
        "02" "0008" "00000000000003e7" "0202" "0002"
    )  # fmt: skip


def test_version_0_is_written_below_level_1() -> None:
    value = records.entry("t", txn(State.ONGOING), level=0).value
    assert value is not None
    assert value.hex() == (
        "0000" "00000000000003e8" "0002" "0000ea60" "01"
        "00000001" "0001" "61" "00000002" "00000000" "00000001"
        "0000000000000005" "0000000000000004"
    )  # fmt: skip


def test_an_empty_transaction_has_no_list_of_partitions() -> None:
    """Null, as Kafka writes it."""
    value = records.entry("t", txn(State.EMPTY), level=0).value
    assert value is not None
    assert value.hex() == "000000000000000003e800020000ea6000ffffffff00000000000000050000000000000004"


@given(st.text(max_size=10), TXNS)
def test_what_is_written_is_read(id_: str, written: Txn) -> None:
    expected = replace(written, partitions=frozenset()) if written.state is State.EMPTY else written
    assert records.read(records.entry(id_, written, level=1)) == (id_, expected)


def test_a_tombstone_is_read() -> None:
    assert records.read(records.entry("t", None, level=2)) == ("t", None)


def test_a_type_from_the_future_is_stepped_over() -> None:
    assert records.read(Entry(b"\0\x07t", b"\0\0")) is None


def test_an_unknown_status_is_malformed() -> None:
    key, value = records.entry("t", txn(State.EMPTY), level=0)
    assert value is not None
    broken = value[:16] + b"\x09" + value[17:]
    with pytest.raises(Malformed):
        records.read(Entry(key, broken))
