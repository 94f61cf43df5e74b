"""Source: KIP-392, RackAwareReplicaSelector."""

import pytest

from server.model.ids import LeaderEpoch, NodeId
from server.model.settings.replicas import LEADER_SELECTOR, RACK_AWARE_SELECTOR
from server.replication.leader import PartitionLeader
from server.replication.replica_selector import SELECTORS, Readable

ONE, TWO, THREE, FOUR = map(NodeId, (1, 2, 3, 4))
RACKS = {ONE: "east", TWO: "west", THREE: "west", FOUR: None}


def select(rack: str, *followers: Readable, by: str = RACK_AWARE_SELECTOR) -> NodeId:
    return SELECTORS[by](rack, ONE, followers, RACKS.get)


@pytest.mark.parametrize(
    ("rack", "followers", "chosen"),
    [
        ("west", [Readable(TWO, 10, 0), Readable(THREE, 12, 9)], THREE),
        ("west", [Readable(TWO, 10, 5), Readable(THREE, 10, 9)], TWO),
        ("west", [Readable(TWO, 10, 5), Readable(THREE, 10, 5)], THREE),
        ("west", [Readable(FOUR, 10, 0)], ONE),
        ("west", [], ONE),
        ("east", [Readable(TWO, 10, 0)], ONE),
        ("north", [Readable(TWO, 10, 0)], ONE),
        ("", [Readable(FOUR, 10, 0)], ONE),
    ],
    ids=[
        "furthest",
        "caught up last",
        "highest id",
        "no rack",
        "nobody",
        "the leader's rack",
        "nobody there",
        "unsaid",
    ],
)
def test_a_consumer_reads_from_its_own_rack(rack: str, followers: list[Readable], chosen: NodeId) -> None:
    assert select(rack, *followers) == chosen


def test_the_default_is_the_leader() -> None:
    assert select("west", Readable(TWO, 10, 0), by=LEADER_SELECTOR) == ONE


def test_who_is_in_sync_and_has_the_offset_can_be_read_from() -> None:
    p = PartitionLeader(
        ONE,
        LeaderEpoch(5),
        (ONE, TWO, THREE, FOUR),
        frozenset({ONE, TWO, THREE}),
        leo=20,
        hw=0,
        partition_epoch=7,
        min_isr=1,
        max_lag_ms=100,
        now_ms=0,
    )
    assert p.readable(0, 5) == [], "nobody has fetched yet, and nobody knows where logs begin"
    p.fetched(TWO, 20, 10, log_start_offset=5)
    p.fetched(THREE, 8, 10, log_start_offset=0)
    p.fetched(FOUR, 20, 10, log_start_offset=0, eligible=False)
    assert p.readable(8, 15) == [Readable(TWO, 20, 5), Readable(THREE, 8, 15)]
    assert p.readable(4, 15) == [Readable(THREE, 8, 15)]
    assert p.readable(9, 15) == [Readable(TWO, 20, 5)]
