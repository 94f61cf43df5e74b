"""quorum-state: the file's bytes are Kafka's."""

import pytest

from server.model.ids import NodeId, RaftEpoch
from server.raft.state import ElectionState, format_state, parse_state
from server.raft.voters import ReplicaKey
from tests.unit.server.raft.nodes import key

# Written by Apache Kafka 4.3.1.
KAFKAS = (
    b'{"clusterId":"","leaderId":0,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,'
    b'"currentVoters":[{"voterId":0}],"data_version":0}'
)


def test_kafkas_file_is_read_and_written_back() -> None:
    assert parse_state(KAFKAS) == ElectionState(RaftEpoch(1), NodeId(0), None)
    assert format_state(parse_state(KAFKAS), frozenset({NodeId(0)}), 0) == KAFKAS


@pytest.mark.parametrize(
    "kept",
    [
        ElectionState(),
        ElectionState(RaftEpoch(7), NodeId(3), None),
        ElectionState(RaftEpoch(7), None, key(2)),
        ElectionState(RaftEpoch(7), NodeId(3), key(2)),
    ],
)
def test_a_state_with_directories_survives_the_file(kept: ElectionState) -> None:
    assert parse_state(format_state(kept, frozenset(), 1)) == kept


def test_the_older_version_keeps_the_id_of_a_vote_only() -> None:
    kept = ElectionState(RaftEpoch(7), None, key(2))
    read = parse_state(format_state(kept, frozenset({NodeId(1)}), 0))
    assert read == ElectionState(RaftEpoch(7), None, ReplicaKey(NodeId(2)))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"data_version":2}',
        b"\xff",
        KAFKAS.replace(b"1", b'"x"'),
        KAFKAS.replace(b"leaderId", b"l"),
    ],
)
def test_what_is_no_such_file_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="quorum-state cannot be read"):
        parse_state(text)
