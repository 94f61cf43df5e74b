"""Voter sets and their history."""

from server.model.ids import UNASSIGNED_DIR, NodeId
from server.raft.voters import Endpoint, Peer, ReplicaKey, Voter, VoterHistory, VoterSet
from server.records import control
from tests.unit.server.raft.nodes import key, voter


def set_of(*nodes: int) -> VoterSet:
    return VoterSet(voter(n) for n in nodes)


def test_a_key_is_in_a_set_by_id_and_directory() -> None:
    voters = set_of(1, 2)
    assert key(1) in voters
    assert ReplicaKey(NodeId(1)) in voters
    assert key(1)._replace(directory_id=key(2).directory_id) not in voters
    assert key(3) not in voters
    configured = VoterSet([Voter(ReplicaKey(NodeId(1), UNASSIGNED_DIR))])
    assert key(1) in configured


def test_a_majority_is_more_than_half() -> None:
    assert [set_of(*range(n)).majority for n in (1, 2, 3, 4, 5)] == [1, 2, 2, 3, 3]


def test_a_set_survives_its_record() -> None:
    assert VoterSet.of(set_of(3, 1, 2).record()) == set_of(1, 2, 3)


def test_the_address_is_that_of_the_listener() -> None:
    two = Voter(key(1), (Endpoint("A", "a", 1), Endpoint("B", "b", 2)))
    assert two.peer("B") == Peer(NodeId(1), "b", 2)
    assert two.peer("C") is None
    assert voter(1).peer("C") == Peer(NodeId(1), "host1", 9001)
    assert Voter(key(1)).peer("A") is None


def test_a_set_holds_from_its_record_on_and_goes_with_it() -> None:
    history = VoterHistory(set_of(1))
    history.add(3, control.KRaftVersion(1))
    history.add(4, set_of(1, 2).record())
    history.add(9, set_of(1, 2, 3).record())
    history.add(11, control.SnapshotFooter())
    assert (history.latest, history.latest_offset, history.kraft_version) == (set_of(1, 2, 3), 9, 1)
    assert [history.at(end) for end in (3, 4, 9, 10)] == [
        (0, None),
        (1, None),
        (1, set_of(1, 2)),
        (1, set_of(1, 2, 3)),
    ]
    history.truncate_to(9)
    assert (history.latest, history.latest_offset) == (set_of(1, 2), 4)
    history.truncate_to(0)
    assert (history.latest, history.latest_offset, history.kraft_version) == (set_of(1), -1, 0)


def test_a_snapshot_replaces_the_history() -> None:
    history = VoterHistory(set_of(1))
    history.add(4, set_of(1, 2).record())
    history.reset(100, 1, set_of(5))
    assert (history.latest, history.latest_offset, history.kraft_version) == (set_of(5), 99, 1)
    history.reset(200, 0, None)
    assert (history.latest, history.kraft_version) == (set_of(1), 0)


def test_a_node_may_vote_in_any_set_that_may_be_the_committed_one() -> None:
    history = VoterHistory(set_of(1))
    history.add(4, set_of(2).record())
    history.add(9, set_of(3).record())
    assert [history.may_hold(key(1), hw) for hw in (0, 4, 5, 9, 10)] == [True, True, False, False, False]
    assert [history.may_hold(key(2), hw) for hw in (0, 9, 10)] == [True, True, False]
    assert history.may_hold(key(3), 10)
