"""The requests that kafka-python does not know, held against the server's own codec: a witness of its own."""

import pytest

from kcli.client import voters
from server.model.ids import uuid_of
from server.wire import api
from server.wire.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse, Listener
from server.wire.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse

DIRECTORY = "JEXY6aqzQY-32P5TStzaFg"


@pytest.mark.parametrize("name", ["C", "A" * 200, "name-\u00e4"])
def test_a_voter_to_be_added(name: str) -> None:
    body = voters.add(7, DIRECTORY, [(name, "::1", 65535), ("B", "host", 1)], 30_000)
    assert api.decode_request(voters.ADD_RAFT_VOTER, voters.VERSION, memoryview(body), 0) == AddRaftVoterRequest(
        None, 30_000, 7, uuid_of(DIRECTORY), (Listener(name, "::1", 65535), Listener("B", "host", 1))
    )


def test_a_voter_to_be_removed() -> None:
    body = memoryview(voters.remove(7, DIRECTORY))
    assert api.decode_request(voters.REMOVE_RAFT_VOTER, voters.VERSION, body, 0) == RemoveRaftVoterRequest(
        None, 7, uuid_of(DIRECTORY)
    )


@pytest.mark.parametrize("message", [None, "", "no", "n" * 300])
def test_what_they_are_answered(message: str | None) -> None:
    added, removed = AddRaftVoterResponse(5, 125, message), RemoveRaftVoterResponse(5, 125, message)
    for key, said in ((voters.ADD_RAFT_VOTER, added), (voters.REMOVE_RAFT_VOTER, removed)):
        assert voters.answer(bytes(api.encode_response(key, voters.VERSION, said))) == (125, message)
