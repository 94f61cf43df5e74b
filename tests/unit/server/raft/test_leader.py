"""The leader's books: whose fetches count for a voter that is known by its id alone."""

from server.model.ids import NodeId, RaftEpoch
from server.raft.leader import Books
from server.raft.voters import ReplicaKey, Voter, VoterSet
from tests.unit.server.raft.nodes import SETTINGS, key

CONFIGURED = VoterSet(tuple(Voter(ReplicaKey(NodeId(node)), ()) for node in (1, 2, 3)))
TWIN = key(2)._replace(directory_id=key(9).directory_id)
SILENCE_MS = SETTINGS.check_quorum_timeout_ms


def books() -> Books:
    return Books(key(1), RaftEpoch(1), 0, SETTINGS, 0)


def fetched(of: Books, replica: ReplicaKey, offset: int, now_ms: int) -> int:
    """What is committed after this fetch, where the leader has ten records on disk and node 3 is away."""
    of.active(replica, CONFIGURED, now_ms)
    of.fetched(replica, CONFIGURED, offset, 10, now_ms)
    return of.committed(CONFIGURED, 10)


def test_a_second_node_with_a_voters_id_does_not_commit_what_the_voter_lacks() -> None:
    of = books()
    assert fetched(of, key(2), 4, 0) == 4
    assert fetched(of, TWIN, 10, SILENCE_MS) == 4
    assert fetched(of, key(2), 6, SILENCE_MS) == 6
    assert fetched(of, TWIN, 10, 2 * SILENCE_MS) == 6
    assert of.observed(TWIN)


def test_a_voter_comes_back_with_another_disk_once_the_former_one_is_silent() -> None:
    of = books()
    assert fetched(of, key(2), 4, 0) == 4
    assert fetched(of, TWIN, 8, SILENCE_MS + 1) == 8
    assert fetched(of, key(2), 10, SILENCE_MS + 2) == 8, "it is the twin now"


def test_a_voter_whose_disk_is_not_known_yet_is_the_first_that_comes() -> None:
    of = books()
    of.voters_changed(CONFIGURED)
    assert fetched(of, TWIN, 8, 0) == 8
