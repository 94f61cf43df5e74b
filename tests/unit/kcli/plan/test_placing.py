"""Plans of moves: nothing is lost or doubled, nothing moves in vain, racks count, and the result needs no plan."""

from collections.abc import Callable
from itertools import combinations, product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kcli.errors import Failure
from kcli.model import Broker
from kcli.model.layout import Layout, Replicas, Rule
from kcli.model.moves import TopicPartition
from kcli.plan.balancing import balance, lead
from kcli.plan.placing import Loads, drain, place, set_factor

RACKS = ("a", "b", "c", None)


@st.composite
def layouts(draw: st.DrawFn, brokers: int = 6, partitions: int = 8, racks: bool = True) -> Layout:
    ids = range(1, draw(st.integers(2, brokers)) + 1)
    rack = st.sampled_from(RACKS if racks else (None,))
    rows: dict[TopicPartition, Replicas] = {}
    sizes = {}
    for index in range(draw(st.integers(1, partitions))):
        key = (draw(st.sampled_from(["orders", "audit"])), index)
        rows[key] = tuple(draw(st.lists(st.sampled_from(ids), min_size=1, max_size=min(4, len(ids)), unique=True)))
        sizes[key] = draw(st.integers(0, 100))
    return Layout({one: Broker(one, f"h{one}", 9092, draw(rack)) for one in ids}, rows, sizes)


def text(rows: str, brokers: str = "1 2 3 4", sizes: str = "") -> Layout:
    """`0:12 1:23`: partition 0 on brokers 1 and 2, and so on; brokers as `1 2a`, in racks; sizes as `0:100`."""
    parts = [row.split(":") for row in rows.split()]
    known = {int(word[0]): Broker(int(word[0]), "h", 9092, word[1:] or None) for word in brokers.split()}
    weights = {("t", int(row.split(":")[0])): int(row.split(":")[1]) for row in sizes.split()}
    return Layout(known, {("t", int(index)): tuple(map(int, row)) for index, row in parts}, weights)


def told(moves: dict[TopicPartition, Replicas]) -> str:
    return " ".join(f"{key[1]}:{''.join(map(str, moves[key]))}" for key in sorted(moves))


def copies(layout: Layout, moves: dict[TopicPartition, Replicas]) -> int:
    return sum(len({*row} - {*layout.partitions[key]}) for key, row in moves.items())


def racks_of(layout: Layout, replicas: Replicas) -> int:
    loads = Loads(layout)
    return len({loads.rack(broker) for broker in replicas})


def sound(layout: Layout, moves: dict[TopicPartition, Replicas]) -> None:
    for key, row in moves.items():
        assert len({*row}) == len(row), "a broker twice"
        assert {*row} <= layout.brokers.keys() | {*layout.partitions[key]}, "a broker that nobody knows"
        assert row != layout.partitions[key], "a move of nothing"


@given(layouts(), st.integers(1, 6))
def test_a_drained_broker_is_empty_and_nothing_else_moves(layout: Layout, leaving: int) -> None:
    rest = len(layout.brokers) - (leaving in layout.brokers)
    if leaving not in layout.brokers or any(len(row) > rest for row in layout.partitions.values() if leaving in row):
        return
    moves = drain(layout, [leaving])
    after = layout.after(moves)
    sound(layout, moves)
    assert not any(leaving in row for row in after.partitions.values())
    assert moves.keys() == {key for key, row in layout.partitions.items() if leaving in row}
    assert all(len(row) == len(layout.partitions[key]) for key, row in moves.items())
    assert copies(layout, moves) == len(moves), "one new replica for each that leaves"
    assert drain(after, [leaving]) == {}


@given(layouts(), st.integers(1, 4))
def test_a_new_factor_copies_no_more_than_it_must(layout: Layout, factor: int) -> None:
    if factor > len(layout.brokers):
        return
    moves = set_factor(layout, ".*", factor)
    sound(layout, moves)
    after = layout.after(moves)
    assert all(len(row) == factor for row in after.partitions.values())
    assert copies(layout, moves) == sum(max(0, factor - len(row)) for row in layout.partitions.values())
    assert all(
        row[0] == layout.partitions[key][0]
        for key, row in moves.items()
        if len(row) >= 2 and len(row) > len(layout.partitions[key])
    )
    assert set_factor(after, ".*", factor) == {}


@given(layouts())
def test_a_new_replica_goes_to_a_rack_of_its_own_if_there_is_one(layout: Layout) -> None:
    factor = min(3, len(layout.brokers))
    moves = set_factor(layout, ".*", factor)
    racks = len({Loads(layout).rack(broker) for broker in layout.brokers})
    for key, row in moves.items():
        before = layout.partitions[key]
        if len(before) <= factor:
            assert racks_of(layout, row) == min(racks, racks_of(layout, before) + factor - len(before))
        else:
            assert racks_of(layout, row) == min(racks_of(layout, before), factor)


def best_balance(layout: Layout) -> int:
    """The fewest copies after which the brokers' replicas are as even as can be, found by trying everything."""
    keys = sorted(layout.partitions)
    low, more = divmod(sum(map(len, layout.partitions.values())), len(layout.brokers))
    even = sorted([low] * (len(layout.brokers) - more) + [low + 1] * more)
    fewest = None
    for rows in product(*(combinations(layout.brokers, len(layout.partitions[key])) for key in keys)):
        counts = dict.fromkeys(layout.brokers, 0)
        for row in rows:
            for broker in row:
                counts[broker] += 1
        if sorted(counts.values()) == even:
            needed = sum(len({*row} - {*layout.partitions[key]}) for key, row in zip(keys, rows, strict=True))
            fewest = needed if fewest is None else min(fewest, needed)
    assert fewest is not None
    return fewest


@settings(max_examples=60)
@given(layouts(brokers=4, partitions=4, racks=False))
def test_balance_needs_as_few_copies_as_any_plan(layout: Layout) -> None:
    moves = balance(layout)
    sound(layout, moves)
    counts = Loads(layout.after(moves)).replicas.values()
    assert max(counts) - min(counts) <= 1
    assert copies(layout, moves) == best_balance(layout)
    assert all(len(row) == len(layout.partitions[key]) for key, row in moves.items())


@given(layouts())
@example(text("0:12 1:12 2:12 3:12 4:23 5:123", "1a 2b 3b"))
def test_balance_keeps_racks_and_leaves_nothing_to_do(layout: Layout) -> None:
    moves = balance(layout)
    sound(layout, moves)
    for key, row in moves.items():
        assert racks_of(layout, row) >= racks_of(layout, layout.partitions[key])
    before, after = (Loads(one).replicas.values() for one in (layout, layout.after(moves)))
    assert max(after) - min(after) <= max(1, max(before) - min(before))
    assert balance(layout.after(moves)) == {}


def best_leaders(layout: Layout) -> list[int]:
    """The evenest numbers of leaders, largest first, found by trying everything."""
    found = None
    for row in product(*layout.partitions.values()):
        counts = sorted((row.count(broker) for broker in layout.brokers), reverse=True)
        found = counts if found is None else min(found, counts)
    assert found is not None
    return found


@settings(max_examples=60)
@given(layouts(brokers=4, partitions=5))
def test_leaders_are_as_even_as_replicas_allow(layout: Layout) -> None:
    moves = lead(layout)
    sound(layout, moves)
    assert copies(layout, moves) == 0
    assert sorted(Loads(layout.after(moves)).leaders.values(), reverse=True) == best_leaders(layout)
    assert lead(layout.after(moves)) == {}


@pytest.mark.parametrize(
    ("rows", "brokers", "leaving", "moves"),
    [
        ("0:12 1:23", "1 2 3 4", (1,), "0:24"),  # the one in sync takes over, the new one follows
        ("0:21 1:23", "1 2 3", (1,), "0:23"),
        ("0:123", "1a 2b 3c 4a 5b", (1,), "0:243"),  # the new one is in the rack that is left
        ("0:1 1:1 2:1", "1 2 3", (1,), "0:2 1:3 2:2"),
    ],
)
def test_brokers_are_emptied(rows: str, brokers: str, leaving: tuple[int, ...], moves: str) -> None:
    assert told(drain(text(rows, brokers), leaving)) == moves


def test_the_replica_that_is_not_in_sync_goes_first() -> None:
    layout = text("0:123")._replace(isr={("t", 0): (1, 3)})
    assert told(set_factor(layout, "t", 2)) == "0:13"


def test_large_partitions_are_spread_first() -> None:
    layout = text("0:1 1:1 2:1 3:1", "1 2 3", "0:1 1:100 2:1 3:100")
    after = layout.after(drain(layout, [1]))
    assert Loads(after).bytes == {1: 0, 2: 101, 3: 101}


def test_rules_say_where_partitions_belong() -> None:
    layout = text("0:12 1:34 2:12", "1a 2a 3b 4b")
    rules = [Rule("t", racks=("b",), leaders=(4,)), Rule(".*", brokers=(1,))]
    assert told(place(layout, rules)) == "0:43 1:43 2:43"
    assert place(layout.after(place(layout, rules)), rules) == {}
    assert told(place(layout, [Rule("t", factor=1)])) == "0:1 1:3 2:1"
    assert place(layout, [Rule("other", brokers=(1,))]) == {}


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (lambda layout: drain(layout, [1, 2, 3]), "t-0 cannot have 2 replica(s): 1 broker(s) may hold it"),
        (lambda layout: drain(layout, [9]), "Unknown broker id 9"),
        (lambda layout: set_factor(layout, "t", 5), "t-0 cannot have 5 replica(s): 4 broker(s) may hold it"),
        (lambda layout: set_factor(layout, "t", 0), "t-0 cannot have 0 replica(s): 4 broker(s) may hold it"),
        (lambda layout: set_factor(layout, "none", 2), "No topic is named by 'none'"),
        (lambda layout: set_factor(layout, "(", 2), "'(' is no regular expression: missing ), unterminated subpattern"),
        (lambda layout: place(layout, [Rule("t", brokers=(7,))]), "Unknown broker id 7"),
        (lambda layout: place(layout, [Rule("t", racks=("z",))]), "t-0 cannot have 2 replica(s): 0 broker(s) may hold"),
    ],
)
def test_what_cannot_be_is_refused(plan: Callable[[Layout], object], words: str) -> None:
    with pytest.raises(Failure) as refused:
        plan(text("0:12 1:23"))
    assert refused.value.message.startswith(words)
