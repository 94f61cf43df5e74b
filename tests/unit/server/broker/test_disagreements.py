"""What a node says when the quorum and its own configuration do not go together: one line, once."""

import pytest

from server.broker.disagreements import Disagreements
from server.model.ids import NodeId, uuid_text
from server.records import control
from tests.unit.server.raft.nodes import key, voter


def ids(*nodes: int) -> tuple[NodeId, ...]:
    return tuple(map(NodeId, nodes))


def led(leader: int, *voters: int) -> control.LeaderChange:
    return control.LeaderChange(leader, tuple(control.VoterId(*key(each)) for each in voters), ())


def test_other_voters_than_the_leaders(caplog: pytest.LogCaptureFixture) -> None:
    one = Disagreements(key(3))
    for _ in range(2):
        one.led(led(1, 1, 2, 3), ids(3, 2))
    assert caplog.messages == [
        "controller.quorum.voters of node 3 names 2, 3, but node 1, which leads the quorum, has 1, 2, 3: make it the "
        "same on all nodes, and restart those that were wrong."
    ]
    one.led(led(1, 1, 2, 3), ids(1, 2, 3))
    one.led(led(1, 1, 2), ids(1, 2, 3))
    assert len(caplog.messages) == 2


def test_a_disk_that_does_not_vote(caplog: pytest.LogCaptureFixture) -> None:
    one = Disagreements(key(3)._replace(directory_id=key(9).directory_id))
    for _ in range(2):
        one.voters(voter(3))
    old, new = uuid_text(key(3).directory_id), uuid_text(key(9).directory_id)
    assert caplog.messages == [
        f"The voter 3 of this quorum has the directory {old}, and this node has {new}: it was formatted anew, and only "
        f"observes. Make it a voter with `kcli metadata-quorum remove-controller --controller-id 3 "
        f"--controller-directory-id {old}` and then add-controller."
    ]


def test_those_who_agree_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    one = Disagreements(key(3))
    one.led(led(1, 1, 2, 3), ids(3, 2, 1))
    one.voters(voter(3))
    one.voters(None)
    assert caplog.messages == []


def test_two_nodes_with_one_id(caplog: pytest.LogCaptureFixture) -> None:
    one = Disagreements(key(1))
    twin = key(2)._replace(directory_id=key(9).directory_id)
    for _ in range(3):
        for replica in (key(2), key(2), twin, key(3)):
            one.fetched(replica)
    a, b = sorted((uuid_text(key(2).directory_id), uuid_text(twin.directory_id)))
    assert caplog.messages == [
        f"Two nodes say that they are node 2, with the directories {a} and {b}: as a voter the first of them counts. "
        f"Stop one of them; if both are needed, format it anew with a node.id of its own."
    ]


def test_a_disk_that_was_replaced_is_no_second_node(caplog: pytest.LogCaptureFixture) -> None:
    one = Disagreements(key(1))
    for replica in (
        key(2),
        key(2)._replace(directory_id=key(9).directory_id),
        key(2)._replace(directory_id=key(8).directory_id),
    ):
        one.fetched(replica)
    assert caplog.messages == []
