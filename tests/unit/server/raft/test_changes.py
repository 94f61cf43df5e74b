"""Changes of the voter set. Source: KIP-853."""

from dataclasses import replace

import pytest

from server.model.errors import ErrorCode
from server.model.ids import UNASSIGNED_DIR, NodeId, RaftEpoch, uuid_text
from server.raft.effects import Answer, AppendControl, Effect
from server.raft.events import Answered, Asked, Flushed, Resign, Ticked, Unanswered, Upgrade
from server.raft.quorum import Quorum
from server.raft.rpc import (
    AddVoterRequest,
    ChangeVotersResponse,
    FetchRequest,
    RemoveVoterRequest,
    Request,
    SupportRequest,
    SupportResponse,
    UpdateVoterRequest,
)
from server.raft.voters import Endpoint, ReplicaKey, VoterHistory, VoterSet
from server.records import control
from tests.unit.server.raft.nodes import (
    ELECTION_MS,
    NONE,
    elected,
    fetch,
    key,
    lead,
    log_of,
    of,
    peer,
    sent,
    started,
    state,
    voter,
)

NOW = ELECTION_MS
TIMEOUT_MS = 5000
ADD_4 = AddVoterRequest(voter(4), TIMEOUT_MS)


def leader(voters: int = 3, *, committed: bool = True, kraft_version: int = 1) -> Quorum:
    """Node 1 leads; its epoch's first records are committed."""
    one = elected(voters, kraft_version=kraft_version)
    if committed and voters > 1:
        for node in range(2, voters // 2 + 2):
            holds(one, node)
    return one


def holds(one: Quorum, node: int, now_ms: int = NOW, offset: int | None = None) -> tuple[Effect, ...]:
    """Node fetches from the end of the leader's log, or from `offset`."""
    end = one.log.end_offset if offset is None else offset
    return one.step(Asked(("fetch", node), fetch(one, node, end, one.epoch)), now_ms)


def answers(effects: tuple[Effect, ...]) -> list[ChangeVotersResponse]:
    return [answer.response for answer in of(effects, Answer) if isinstance(answer.response, ChangeVotersResponse)]


def codes(one: Quorum, request: Request, now_ms: int = NOW) -> list[ErrorCode]:
    return [answer.error for answer in answers(one.step(Asked("change", request), now_ms))]


def supports(one: Quorum, least: int = 0, most: int = 1, error: ErrorCode = NONE) -> tuple[Effect, ...]:
    return one.step(Answered(peer(4), SupportRequest(key(4)), SupportResponse(error, least, most)), NOW)


def test_a_voter_is_added_when_it_holds_the_log_and_that_is_committed() -> None:
    one = leader()
    effects = one.step(Asked("add", ADD_4), NOW)
    assert sent(effects, SupportRequest) == [SupportRequest(key(4))]
    assert supports(one) == ()
    assert of(holds(one, 4, offset=0), AppendControl) == []
    (append,) = of(holds(one, 4), AppendControl)
    assert append.controls == (one.voters.record(),)
    assert sorted(one.voters.ids) == [1, 2, 3, 4]
    one.step(Flushed(one.log.end_offset), NOW)
    assert answers(holds(one, 2)) == []  # two of four are no majority
    assert [said.error for said in answers(holds(one, 4))] == [NONE]


def test_who_does_not_wait_for_the_commit_is_answered_at_the_append() -> None:
    one = leader()
    one.step(Asked("add", replace(ADD_4, ack_when_committed=False)), NOW)
    supports(one)
    assert [said.error for said in answers(holds(one, 4))] == [NONE]
    assert codes(one, RemoveVoterRequest(key(3))) == [ErrorCode.REQUEST_TIMED_OUT]


def test_a_voter_that_does_not_catch_up_is_not_added() -> None:
    one = leader()
    one.step(Asked("add", ADD_4), NOW)
    supports(one)
    holds(one, 4, offset=0)
    for node in (2, 3):
        holds(one, node, NOW + TIMEOUT_MS // 2)
    assert [a.error for a in answers(one.step(Ticked(), NOW + TIMEOUT_MS))] == [ErrorCode.REQUEST_TIMED_OUT]
    assert sorted(one.voters.ids) == [1, 2, 3]


@pytest.mark.parametrize(
    ("least", "most", "error", "expected"),
    [
        (2, 3, NONE, ErrorCode.INVALID_REQUEST),
        (0, 0, NONE, ErrorCode.INVALID_REQUEST),
        (0, 1, ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.REQUEST_TIMED_OUT),
    ],
)
def test_a_voter_that_does_not_know_the_version_is_not_added(
    least: int, most: int, error: ErrorCode, expected: ErrorCode
) -> None:
    one = leader()
    one.step(Asked("add", ADD_4), NOW)
    assert [said.error for said in answers(supports(one, least, most, error))] == [expected]


def test_a_voter_that_cannot_be_asked_is_not_added() -> None:
    one = leader()
    one.step(Asked("add", ADD_4), NOW)
    effects = one.step(Unanswered(peer(4), SupportRequest(key(4))), NOW)
    assert [said.error for said in answers(effects)] == [ErrorCode.REQUEST_TIMED_OUT]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (AddVoterRequest(voter(3), TIMEOUT_MS), ErrorCode.DUPLICATE_VOTER),
        (AddVoterRequest(replace(voter(3), key=key(3)._replace(directory_id=key(9).directory_id)), TIMEOUT_MS),
        ErrorCode.DUPLICATE_VOTER), (AddVoterRequest(replace(voter(4), endpoints=()), TIMEOUT_MS),
        ErrorCode.INVALID_REQUEST), (AddVoterRequest(replace(voter(4),
        key=key(4)._replace(directory_id=UNASSIGNED_DIR)), TIMEOUT_MS), ErrorCode.INVALID_REQUEST),
        (RemoveVoterRequest(key(4)), ErrorCode.VOTER_NOT_FOUND),
        (RemoveVoterRequest(key(3)._replace(directory_id=key(9).directory_id)), ErrorCode.VOTER_NOT_FOUND),
        (UpdateVoterRequest(RaftEpoch(1), voter(4)), ErrorCode.VOTER_NOT_FOUND), (UpdateVoterRequest(RaftEpoch(0),
        voter(2)), ErrorCode.FENCED_LEADER_EPOCH), (UpdateVoterRequest(RaftEpoch(1), replace(voter(2),
        max_kraft_version=0)), ErrorCode.INVALID_REQUEST), (UpdateVoterRequest(RaftEpoch(1), replace(voter(2),
        endpoints=())), ErrorCode.INVALID_REQUEST),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_is_refused(request_: Request, expected: ErrorCode) -> None:
    one = leader()
    before = one.voters
    assert codes(one, request_) == [expected]
    assert one.voters == before


CHANGES = [ADD_4, RemoveVoterRequest(key(3)), UpdateVoterRequest(RaftEpoch(1), voter(2))]


@pytest.mark.parametrize("request_", CHANGES, ids=lambda request: type(request).__name__)
def test_nothing_changes_before_the_epoch_is_committed(request_: Request) -> None:
    """A leader of an older epoch may have changed the voters otherwise: the fix of 2015 to single-server changes."""
    assert codes(leader(committed=False), request_) == [ErrorCode.REQUEST_TIMED_OUT]


@pytest.mark.parametrize("request_", CHANGES, ids=lambda request: type(request).__name__)
def test_one_change_waits_for_the_other(request_: Request) -> None:
    one = leader()
    one.step(Asked("first", ADD_4), NOW)
    assert codes(one, request_) == [ErrorCode.REQUEST_TIMED_OUT]


@pytest.mark.parametrize("request_", CHANGES[:2], ids=lambda request: type(request).__name__)
def test_configured_voters_do_not_change(request_: Request) -> None:
    assert codes(leader(kraft_version=0), request_) == [ErrorCode.UNSUPPORTED_VERSION]


@pytest.mark.parametrize("request_", CHANGES[:2], ids=lambda request: type(request).__name__)
def test_only_a_leader_changes_voters(request_: Request) -> None:
    one = started(persisted=state(3, leader=2), kraft_version=1)
    assert codes(one, request_) == [ErrorCode.NOT_LEADER_OR_FOLLOWER]


def test_a_voter_is_removed_when_those_who_stay_hold_the_record() -> None:
    one = leader()
    effects = one.step(Asked("remove", RemoveVoterRequest(key(3))), NOW)
    assert answers(effects) == []
    assert sorted(one.voters.ids) == [1, 2]
    one.step(Flushed(one.log.end_offset), NOW)
    holds(one, 3)
    assert one.high_watermark < one.log.end_offset
    assert [said.error for said in answers(holds(one, 2))] == [NONE]


def test_the_last_voter_stays() -> None:
    assert codes(leader(1), RemoveVoterRequest(key(1))) == [ErrorCode.INVALID_REQUEST]


def test_a_leader_that_removes_itself_leads_until_that_is_committed_without_it() -> None:
    one = leader()
    one.step(Asked("remove", RemoveVoterRequest(key(1))), NOW)
    one.step(Flushed(one.log.end_offset), NOW)
    holds(one, 2)
    assert (one.is_leader, one.high_watermark < one.log.end_offset) == (True, True)
    effects = holds(one, 3)
    assert [said.error for said in answers(effects)] == [NONE]
    assert one.role == "resigned"


def test_a_change_that_is_not_committed_in_time_is_said_to_have_timed_out() -> None:
    one = leader()
    one.step(Asked("remove", RemoveVoterRequest(key(3))), NOW)
    assert [a.error for a in answers(one.step(Ticked(), NOW + 2000))] == [ErrorCode.REQUEST_TIMED_OUT]


def test_a_leader_that_steps_down_does_not_know_what_becomes_of_a_change() -> None:
    one = leader()
    one.step(Asked("remove", RemoveVoterRequest(key(3))), NOW)
    assert [a.error for a in answers(one.step(Resign(), NOW))] == [ErrorCode.NOT_LEADER_OR_FOLLOWER]


def test_an_update_is_a_record_where_voters_stand_in_the_log() -> None:
    one = leader()
    moved = replace(voter(2), endpoints=(Endpoint("CONTROLLER", "elsewhere", 1),))
    effects = one.step(Asked("update", UpdateVoterRequest(one.epoch, moved)), NOW)
    (append,) = of(effects, AppendControl)
    assert isinstance(append.controls[0], control.Voters)
    assert [said.error for said in answers(effects)] == [NONE]
    assert one.voters.get(key(2).id) == moved


def test_an_update_is_kept_in_memory_where_voters_are_configured() -> None:
    one = leader(kraft_version=0)
    moved = replace(voter(2), endpoints=(Endpoint("CONTROLLER", "elsewhere", 1),))
    effects = one.step(Asked("update", UpdateVoterRequest(one.epoch, moved)), NOW)
    assert (of(effects, AppendControl), [said.error for said in answers(effects)]) == ([], [NONE])
    assert one.voters.get(key(2).id) == moved


def test_a_removed_voter_is_an_observer_from_then_on() -> None:
    one = leader()
    one.step(Asked("remove", RemoveVoterRequest(key(3))), NOW)
    one.step(Asked("f", FetchRequest(one.epoch, key(3), 1, one.epoch)), NOW)
    said = one.describe(NOW)
    assert said is not None
    assert ([row.id for row in said.voters], [row.id for row in said.observers]) == ([1, 2], [3])


def tell(one: Quorum, *nodes: int) -> None:
    for node in nodes:
        assert codes(one, UpdateVoterRequest(one.epoch, voter(node))) == [NONE]


def configured() -> Quorum:
    """Node 1 leads three voters that are known by their ids alone."""
    history = VoterHistory(VoterSet(replace(voter(n), key=ReplicaKey(NodeId(n))) for n in (1, 2, 3)))
    one = Quorum(key(1), state(0), log_of(), history, jitter=lambda stop: 0, endpoints=voter(1).endpoints)
    lead(one)
    holds(one, 2)
    return one


def test_the_voters_go_into_the_log_once_all_have_told_their_directories() -> None:
    one = configured()
    refusal = "Invalid upgrade of kraft.version to 1 because not all of the voters support it"
    assert one.upgrade_refusal(1) == refusal
    tell(one, 2)
    assert one.upgrade_refusal(1) == refusal
    tell(one, 3)
    assert one.upgrade_refusal(1) is None
    (append,) = of(one.step(Upgrade(1), NOW), AppendControl)
    assert append.controls == (control.KRaftVersion(1), VoterSet(map(voter, (1, 2, 3))).record())
    assert (one.history.kraft_version, one.voters) == (1, VoterSet(map(voter, (1, 2, 3))))


def test_what_configured_voters_told_does_not_shut_out_another_disk_of_theirs() -> None:
    one = configured()
    tell(one, 2)
    assert key(2)._replace(directory_id=key(9).directory_id) in one.voters


def test_a_later_leader_has_to_be_told_again() -> None:
    one = configured()
    tell(one, 2, 3)
    one.step(Resign(), NOW)
    assert one.upgrade_refusal(1) == "Upgrade kraft version failed because the replica is not the current leader"


def test_versions_are_not_raised_while_a_change_is_under_way() -> None:
    one = leader()
    one.step(Asked("remove", RemoveVoterRequest(key(3))), NOW)
    assert one.upgrade_refusal(2) == "Invalid concurrent upgrade of kraft.version from version 1 to 2"


def test_refusals_say_what_kafka_says() -> None:
    def said(one: Quorum, request: Request) -> str | None:
        (answer,) = answers(one.step(Asked("change", request), NOW))
        return answer.message

    nobody = key(3)._replace(directory_id=UNASSIGNED_DIR)
    named = [f"ReplicaKey(id={n}, directoryId={uuid_text(key(n).directory_id)})" for n in range(5)]
    assert said(leader(kraft_version=0), RemoveVoterRequest(nobody)) == (
        "Remove voter request didn't include a valid voter"
    )
    assert said(leader(kraft_version=0), ADD_4) == (
        "Cluster doesn't support adding voter because the kraft.version feature is 0"
    )
    assert said(leader(), RemoveVoterRequest(key(4))) == (
        f"Cannot remove voter {named[4]} from the set of voters [{', '.join(named[1:4])}]"
    )
    assert said(leader(), AddVoterRequest(voter(3), TIMEOUT_MS)) == (
        f"The voter id for {named[3]} is already part of the set of voters [{', '.join(named[1:4])}]."
    )
