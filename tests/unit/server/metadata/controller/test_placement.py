from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.metadata.controller.placement import Usable, new_directory, stripe, usable
from server.metadata.records import BrokerRegistrationChangeRecord as change
from server.model.errors import ErrorCode, Rejected
from server.model.ids import UNASSIGNED_DIR, NodeId
from tests.unit.server.metadata.worlds import World


def plain(count: int) -> list[Usable]:
    return [Usable(NodeId(each), None, False) for each in range(count)]


def first(_: int) -> int:
    """A draw that is no draw."""
    return 0


def test_without_racks_each_partition_begins_one_broker_further() -> None:
    """As topics.record shows: 0,1 1,2 2,3 3,0 from whatever start is drawn."""
    assert stripe(plain(4), 4, 2, first) == [(0, 1), (1, 2), (2, 3), (3, 0)]
    assert stripe(plain(4), 2, 3, lambda stop: 2 % stop) == [(2, 3, 0), (3, 0, 1)]


def test_racks_take_turns_and_so_do_the_brokers_in_them() -> None:
    brokers = [Usable(NodeId(each), rack, False) for each, rack in enumerate("aabb")]
    assert stripe(brokers, 4, 2, first) == [(0, 2), (2, 0), (1, 3), (3, 1)]


def test_fenced_brokers_come_last_in_their_rack_and_never_first() -> None:
    brokers = [Usable(NodeId(0), "a", False), Usable(NodeId(1), "a", True), Usable(NodeId(2), "b", True)]
    assert stripe(brokers, 1, 3, first) == [(0, 2, 1)]
    assert all(placed[0] == 0 for placed in stripe(brokers, 5, 2, Random(1).randrange))


@pytest.mark.parametrize(
    ("brokers", "factor", "message"),
    [
        (
            plain(4),
            5,
            "The target replication factor of 5 cannot be reached because only 4 broker(s) are registered or some "
            "brokers have all their log directories cordoned.",
        ),
        ([], 1, "All brokers are currently fenced, or have all their log directories cordoned."),
        (
            [Usable(NodeId(0), None, True)],
            1,
            "All brokers are currently fenced, or have all their log directories cordoned.",
        ),
    ],
)
def test_too_few_brokers_are_refused(brokers: list[Usable], factor: int, message: str) -> None:
    with pytest.raises(Rejected) as refused:
        stripe(brokers, 1, factor, first)
    assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_REPLICATION_FACTOR, message)


racks = st.sampled_from([None, "a", "b", "c"])
clusters = st.lists(st.tuples(racks, st.booleans()), min_size=1, max_size=9).map(
    lambda rows: [Usable(NodeId(at), rack, fenced) for at, (rack, fenced) in enumerate(rows)]
)


@given(clusters, st.integers(1, 30), st.data(), st.integers())
def test_every_placement_is_sound(brokers: list[Usable], count: int, data: st.DataObject, seed: int) -> None:
    known = {each.broker_id: each for each in brokers}
    factor = data.draw(st.integers(1, len(brokers)))
    if all(each.fenced for each in brokers):
        return
    placed = stripe(brokers, count, factor, Random(seed).randrange)
    assert len(placed) == count
    for replicas in placed:
        assert len(set(replicas)) == len(replicas) == factor
        assert set(replicas) <= known.keys()
        assert not known[replicas[0]].fenced
        used = Counter(known[each].rack for each in replicas)
        assert len(used) == min(factor, len({each.rack for each in brokers}))


@given(st.integers(1, 9), st.integers(1, 60), st.integers())
def test_leaders_are_spread_evenly(size: int, count: int, seed: int) -> None:
    placed = stripe(plain(size), count, 1, Random(seed).randrange)
    turns, rest = divmod(count, size)
    led = Counter(replicas[0] for replicas in placed)
    assert set(led.values()) <= {turns, turns + 1}
    assert sum(led.values()) == turns * size + rest


@given(st.integers(2, 9), st.integers())
def test_one_turn_gives_each_broker_each_place_once(size: int, seed: int) -> None:
    placed = stripe(plain(size), size, size, Random(seed).randrange)
    for place in range(size):
        assert {replicas[place] for replicas in placed} == set(range(size))


def test_brokers_that_leave_or_have_no_room_are_not_usable() -> None:
    world = World(0)
    world.join(0, 1, 2)
    down, full = world.image.brokers[NodeId(1)], world.image.brokers[NodeId(2)]
    world.append(
        (
            change(down.broker_id, down.epoch, in_controlled_shutdown=1),
            change(full.broker_id, full.epoch, cordoned_log_dirs=full.directories),
        )
    )
    assert usable(world.image) == (Usable(NodeId(0), None, False),)


def test_a_directory_is_known_where_there_is_one_to_choose() -> None:
    world = World(0)
    world.join(0)
    world.join(1, dirs=2)
    one, two = (world.image.brokers[NodeId(each)] for each in (0, 1))
    assert new_directory(world.image, one.broker_id) == one.directories[0]
    assert new_directory(world.image, two.broker_id) == UNASSIGNED_DIR
    world.append((change(two.broker_id, two.epoch, cordoned_log_dirs=two.directories[:1]),))
    assert new_directory(world.image, two.broker_id) == two.directories[1]
