"""Where records go: as Kafka's producers send them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as theirs

from kcli.pipeline.partitioner import Sticky, murmur2, of_key


@given(st.binary(max_size=40))
def test_the_hash_is_kafka_pythons(key: bytes) -> None:
    assert murmur2(key) == theirs(key) & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_javas(key: bytes, value: int) -> None:
    """Vectors of Kafka's UtilsTest."""
    assert murmur2(key) == value & 0xFFFFFFFF


def test_a_key_has_a_partition() -> None:
    """As recorded from Apache Kafka 4.3.1 (tests/golden/records/console.record)."""
    placed = {b"k2": 0, b"k5": 0, b"k11": 0, b"k3": 1, b"k4": 1, b"k6": 1, b"k0": 2, b"k1": 2, b"k9": 2}
    assert {key: of_key(key, 3) for key in placed} == placed


def test_records_without_a_key_stay_for_a_batch_and_then_move() -> None:
    sticky = Sticky(100, random.Random(1))
    first = sticky.partition([0, 1, 2])
    for _ in range(3):
        sticky.added(33)
        assert sticky.partition([0, 1, 2]) == first
    sticky.added(1)
    assert sticky.partition([0, 1, 2]) != first


def test_a_full_batch_moves_on_and_a_lost_leader_too() -> None:
    sticky = Sticky(100, random.Random(1))
    first = sticky.partition([0, 1])
    sticky.leave()
    second = sticky.partition([0, 1])
    assert {first, second} == {0, 1}
    assert sticky.partition([first]) == first


def test_all_partitions_get_their_share() -> None:
    sticky, chosen = Sticky(1, random.Random(1)), []
    for _ in range(4000):
        chosen.append(sticky.partition(range(4)))
        sticky.added(1)
    assert all(850 < chosen.count(index) < 1150 for index in range(4))
