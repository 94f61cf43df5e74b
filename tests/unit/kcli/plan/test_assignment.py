"""Placement: Kafka's own, draw by draw; and what holds for each plan."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcli.errors import Failure
from kcli.model import Broker, Partition, Topic
from kcli.model.moves import Target
from kcli.plan import assignment

MASK = (1 << 48) - 1


def java_random(seed: int) -> Callable[[int], int]:
    """java.util.Random.nextInt(bound), whose draws the vectors below were made with."""
    state = (seed ^ 0x5DEECE66D) & MASK

    def draw() -> int:
        nonlocal state
        state = (state * 0x5DEECE66D + 0xB) & MASK
        return state >> 17

    def below(bound: int) -> int:
        if bound & -bound == bound:
            return bound * draw() >> 31
        while True:
            bits = draw()
            if bits - bits % bound + bound - 1 < 1 << 31:
                return bits % bound

    return below


def brokers(text: str) -> list[Broker]:
    pairs = (word.partition(":") for word in text.split(","))
    return [Broker(int(number), "host", 9092, rack or None) for number, _, rack in pairs]


# seed, replication factor, brokers as id:rack, and what StripedReplicaPlacer of Kafka 4.3.1 makes of them.
@pytest.mark.parametrize(
    ("seed", "factor", "cluster", "placed"),
    [
        (1, 3, "0:,1:,2:,3:", "230 301 012 123 013 132"),
        (7, 2, "0:a,1:b,2:a,3:b", "32 01 32 01 01 32 01 32 01 32 01 32"),
        (42, 3, "0:a,1:c,2:c,3:b,4:b,5:a", "253 041 325 104 532 410 023 145 302 514 230 451 514 230"),
        (5, 2, "0:a,1:a,2:a,3:b,4:c", "42 03 34 41"),
        (9, 1, "4:", "4 4 4"),
    ],
)
def test_placement_is_kafkas(seed: int, factor: int, cluster: str, placed: str) -> None:
    rows = assignment.place(brokers(cluster), len(placed.split()), factor, java_random(seed))
    assert " ".join("".join(map(str, row)) for row in rows) == placed


@given(
    seed=st.integers(0, 2**32),
    racks=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    partitions=st.integers(1, 40),
    data=st.data(),
)
def test_every_plan_keeps_the_factor_and_the_racks(
    seed: int, racks: list[int], partitions: int, data: st.DataObject
) -> None:
    cluster = [
        Broker(10 * rack + at, "host", 9092, f"rack{rack}") for rack, size in enumerate(racks) for at in range(size)
    ]
    factor = data.draw(st.integers(1, len(cluster)))
    rows = assignment.place(cluster, partitions, factor, random.Random(seed).randrange)
    assert [len(row) for row in rows] == [factor] * partitions
    for row in rows:
        assert len({*row}) == factor
        assert len({broker // 10 for broker in row}) == min(factor, len(racks)), "a rack has two while one has none"


@given(seed=st.integers(0, 2**32), size=st.integers(1, 8), rounds=st.integers(1, 4), data=st.data())
def test_whole_rounds_are_in_balance(seed: int, size: int, rounds: int, data: st.DataObject) -> None:
    factor = data.draw(st.integers(1, size))
    one_rack = data.draw(st.booleans())
    cluster = [Broker(each, "host", 9092, None if one_rack else f"rack{each}") for each in range(size)]
    rows = assignment.place(cluster, rounds * size, factor, random.Random(seed).randrange)
    leaders, replicas = Counter(row[0] for row in rows), Counter(broker for row in rows for broker in row)
    assert {*leaders.values()} == {rounds}
    assert {*replicas.values()} == {rounds * factor}


@given(seed=st.integers(0, 2**32), size=st.integers(1, 8), partitions=st.integers(1, 8))
def test_leaders_are_within_one_of_each_other(seed: int, size: int, partitions: int) -> None:
    cluster = [Broker(each, "host", 9092) for each in range(size)]
    rows = assignment.place(cluster, min(partitions, size), 1, random.Random(seed).randrange)
    counted = Counter(row[0] for row in rows)
    assert max(counted.values()) - min(counted[broker.id] for broker in cluster) <= 1


def test_a_seed_repeats_a_plan_of_several_topics() -> None:
    rows = (Partition(0, 1, (1, 2), (1, 2)), Partition(1, 2, (2, 1), (2, 1)))
    topics = [Topic("b", "", rows), Topic("a", "", rows[:1])]
    one, other = (assignment.propose(topics, brokers("1:,2:,3:"), random.Random(5).randrange) for _ in range(2))
    assert one == other
    assert [(target.topic, target.partition, target.log_dirs) for target in one] == [
        ("a", 0, ("any", "any")),
        ("b", 0, ("any", "any")),
        ("b", 1, ("any", "any")),
    ]
    assert all(isinstance(target, Target) for target in one)


def test_too_few_brokers_are_refused() -> None:
    with pytest.raises(Failure, match="All brokers are currently fenced"):
        assignment.place([], 1, 1, random.Random(0).randrange)
    with pytest.raises(Failure, match="factor of 2 cannot be reached because only 1 broker"):
        assignment.place(brokers("1:"), 1, 2, random.Random(0).randrange)


def test_brokers_with_and_without_racks_do_not_go_together() -> None:
    mixed = brokers("1:a,2:")
    with pytest.raises(Failure, match="Not all brokers have rack information"):
        assignment.usable(mixed, None, rack_aware=True)
    assert assignment.usable(mixed, {2}, rack_aware=True) == (mixed[1],)
    assert [one.rack for one in assignment.usable(mixed, None, rack_aware=False)] == [None, None]


@pytest.mark.parametrize(
    ("text", "told"),
    [("a,b", 'For input string: "a"'), ("0,,1", 'For input string: ""'), ("", 'For input string: ""'),
     ("0, 1", 'For input string: " 1"'), ("0,0,1,1", "Broker list contains duplicate entries: [0, 1]")],
)  # fmt: skip
def test_a_broker_list_that_is_none(text: str, told: str) -> None:
    with pytest.raises(Failure) as refused:
        assignment.broker_list(text)
    assert refused.value.message == told


def test_a_broker_list_may_end_with_a_comma() -> None:
    assert assignment.broker_list("2,0,1,") == (2, 0, 1)
