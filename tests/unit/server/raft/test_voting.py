"""Elections: who votes for whom, who stands when. Source of most claims: KIP-595, KIP-996."""

import pytest

from server.model.errors import ErrorCode
from server.model.ids import NodeId, RaftEpoch
from server.raft.effects import AppendControl, Follow, Lead, Persist, Send
from server.raft.events import Answered, Flushed, Resign, Started, Stopping, Ticked, Unanswered
from server.raft.quorum import Quorum
from server.raft.rpc import (
    BeginEpochRequest,
    BeginEpochResponse,
    EndEpochRequest,
    EndEpochResponse,
    FetchRequest,
    FetchResponse,
    VoteRequest,
    VoteResponse,
)
from server.raft.voters import Peer, ReplicaKey
from server.records import control
from tests.unit.server.raft.nodes import (
    ELECTION_MS,
    FETCH_MS,
    NONE,
    SETTINGS,
    ask,
    at,
    elected,
    endpoint,
    grant,
    key,
    log_of,
    node,
    of,
    peer,
    sent,
    started,
    state,
)


def vote(
    epoch: int, candidate: int = 2, last: tuple[int, int] = (0, 0), *, pre: bool = False, voter: int = 1
) -> VoteRequest:
    return VoteRequest(RaftEpoch(epoch), key(candidate), key(voter), at(*last), pre)


def refusing(request: VoteRequest, leader: int | None = None) -> Answered:
    leader_id = None if leader is None else NodeId(leader)
    return Answered(peer(request.voter.id), request, VoteResponse(NONE, request.epoch, leader_id, False))


def test_a_quorum_of_one_leads_at_once() -> None:
    alone = node(1, 1)
    change = control.LeaderChange(1, (control.VoterId(1),), (control.VoterId(1),))
    assert alone.step(Started(), 0) == (
        Follow(None, RaftEpoch(1)),
        Persist(state(1, leader=1)),
        Lead(RaftEpoch(1), 0),
        AppendControl((change,), 0, RaftEpoch(1)),
    )
    assert alone.next_deadline_ms is None


def test_a_quorum_of_one_that_led_leads_the_next_epoch() -> None:
    alone = node(1, 1, persisted=state(4, leader=1), log=log_of((4, 7)))
    effects = alone.step(Started(), 0)
    assert of(effects, Lead) == [Lead(RaftEpoch(5), 7)]


def test_a_voter_waits_and_then_asks_in_advance_without_a_new_epoch() -> None:
    one = started()
    assert one.next_deadline_ms == SETTINGS.retry_backoff_ms
    one.step(Ticked(), SETTINGS.retry_backoff_ms - 1)
    assert one.role == "unattached"
    effects = one.step(Ticked(), SETTINGS.retry_backoff_ms)
    assert sent(effects, VoteRequest) == [vote(0, 1, pre=True, voter=2), vote(0, 1, pre=True, voter=3)]
    assert (of(effects, Persist), one.role, one.epoch) == ([], "prospective", 0)


def test_a_majority_in_advance_makes_a_candidate_and_a_majority_a_leader() -> None:
    one = started(voters=5)
    pre = sent(one.step(Ticked(), ELECTION_MS), VoteRequest)
    assert one.step(grant(pre[0]), ELECTION_MS) == ()
    effects = one.step(grant(pre[1]), ELECTION_MS)
    asks = sent(effects, VoteRequest)
    assert asks == [vote(1, 1, voter=n) for n in (2, 3, 4, 5)]
    persisted = effects.index(Persist(state(1, voted=1)))
    assert persisted < min(i for i, effect in enumerate(effects) if isinstance(effect, Send))
    assert one.step(grant(asks[0]), ELECTION_MS) == ()
    assert one.step(grant(asks[0]), ELECTION_MS) == ()  # the same vote again
    effects = one.step(grant(asks[3]), ELECTION_MS)
    assert [type(effect) for effect in effects[:3]] == [Persist, Lead, AppendControl]
    (append,) = of(effects, AppendControl)
    (change,) = append.controls
    assert isinstance(change, control.LeaderChange)
    assert [who.voter_id for who in change.granting_voters] == [1, 2, 5]
    assert [begin.voter for begin in sent(effects, BeginEpochRequest)] == [key(n) for n in (2, 3, 4, 5)]


@pytest.mark.parametrize("stale", ["pre-vote", "older epoch"])
def test_votes_of_another_election_do_not_count(stale: str) -> None:
    one = started(voters=3)
    pre = sent(one.step(Ticked(), ELECTION_MS), VoteRequest)
    one.step(grant(pre[0]), ELECTION_MS)
    assert one.role == "candidate"
    late = pre[1] if stale == "pre-vote" else vote(0, 1, voter=3)
    one.step(grant(late, epoch=1), ELECTION_MS)
    assert one.role == "candidate"


def test_those_who_do_not_answer_are_asked_again() -> None:
    one = started()
    pre = sent(one.step(Ticked(), ELECTION_MS), VoteRequest)
    assert one.step(Unanswered(peer(2), pre[0]), ELECTION_MS + 1) == ()
    again = ELECTION_MS + 1 + SETTINGS.retry_backoff_ms
    assert one.next_deadline_ms == again
    assert sent(one.step(Ticked(), again), VoteRequest) == [pre[0]]


def test_an_answer_that_is_an_error_is_no_vote() -> None:
    one = started()
    pre = sent(one.step(Ticked(), ELECTION_MS), VoteRequest)
    error = VoteResponse(ErrorCode.BROKER_NOT_AVAILABLE, RaftEpoch(0), None, True)
    one.step(Answered(peer(2), pre[0], error), ELECTION_MS)
    assert one.role == "prospective"


def test_a_majority_against_it_makes_a_voter_wait() -> None:
    one = started()
    pre = sent(one.step(Ticked(), ELECTION_MS), VoteRequest)
    one.step(refusing(pre[0]), ELECTION_MS)
    assert one.role == "prospective"
    one.step(refusing(pre[1]), ELECTION_MS)
    assert (one.role, one.epoch) == ("unattached", 0)


def test_a_candidate_that_lost_asks_in_advance_again_after_a_while() -> None:
    one = started()
    effects = one.step(Ticked(), ELECTION_MS)
    effects = one.step(grant(sent(effects, VoteRequest)[0]), ELECTION_MS)
    for request in sent(effects, VoteRequest):
        one.step(refusing(request), ELECTION_MS)
    assert (one.role, one.epoch, one.next_deadline_ms) == ("candidate", 1, ELECTION_MS + 1)
    effects = one.step(Ticked(), ELECTION_MS + 1)
    assert [request.pre_vote for request in sent(effects, VoteRequest)] == [True, True]
    assert (one.role, one.epoch) == ("prospective", 1)


def test_a_follower_refused_in_advance_goes_back_to_its_leader() -> None:
    one = started(persisted=state(3, leader=2))
    pre = sent(one.step(Ticked(), FETCH_MS), VoteRequest)
    one.step(refusing(pre[0], leader=2), FETCH_MS)
    effects = one.step(refusing(pre[1], leader=2), FETCH_MS)
    assert (one.role, one.leader_id) == ("follower", 2)
    assert [effect.peer.id for effect in effects if isinstance(effect, Send)] == [2]


def test_a_vote_is_given_once_in_an_epoch_and_persisted_first() -> None:
    one = started()
    one.step(Ticked(), 1)
    first = ask(one, vote(1), 2)
    assert first == VoteResponse(NONE, RaftEpoch(1), None, True)
    assert ask(one, vote(1), 3) == first
    assert ask(one, vote(1, candidate=3), 4) == VoteResponse(NONE, RaftEpoch(1), None, False)
    assert ask(one, vote(2, candidate=3), 5) == VoteResponse(NONE, RaftEpoch(2), None, True)


def test_a_vote_is_given_again_after_a_restart_and_to_nobody_else() -> None:
    one = started(persisted=state(1, voted=2))
    assert ask(one, vote(1, candidate=3), 1) == VoteResponse(NONE, RaftEpoch(1), None, False)
    assert ask(one, vote(1, candidate=2), 1) == VoteResponse(NONE, RaftEpoch(1), None, True)


def test_a_vote_without_a_directory_is_for_any_directory_of_that_node() -> None:
    """kraft.version 0 persists the id only."""
    persisted = state(1, voted=2)
    one = started(persisted=type(persisted)(persisted.epoch, None, ReplicaKey(NodeId(2))))
    assert ask(one, vote(1), 1) == VoteResponse(NONE, RaftEpoch(1), None, True)


@pytest.mark.parametrize(
    ("last", "granted"),
    [((5, 2), True), ((6, 2), True), ((1, 3), True), ((4, 2), False), ((9, 1), False), ((0, 0), False)],
)
@pytest.mark.parametrize("pre", [True, False])
def test_a_lesser_log_gets_no_vote(last: tuple[int, int], granted: bool, pre: bool) -> None:
    """The epoch of the last record decides, then the length."""
    one = started(persisted=state(4), log=log_of((1, 3), (2, 2)))
    answer = ask(one, vote(5, last=last, pre=pre), 1)
    assert answer == VoteResponse(NONE, RaftEpoch(5), None, granted)


def test_an_epoch_that_has_passed_gets_no_vote() -> None:
    one = started(persisted=state(4))
    assert ask(one, vote(3), 1) == VoteResponse(ErrorCode.FENCED_LEADER_EPOCH, RaftEpoch(4), None, False)


def test_a_vote_meant_for_another_disk_is_not_given() -> None:
    """KIP-853: a node that lost its disk must not vote as the one that had it."""
    one = started()
    answer = ask(one, vote(1, voter=3), 1)
    assert answer == VoteResponse(ErrorCode.INVALID_VOTER_KEY, RaftEpoch(0), None, False)


@pytest.mark.parametrize(
    "request_", [vote(-1), vote(1, last=(-1, 0)), vote(1, last=(5, 1)), vote(1, last=(5, 2), pre=True)]
)
def test_a_vote_that_contradicts_itself_is_invalid(request_: VoteRequest) -> None:
    answer = ask(started(), request_, 1)
    assert answer == VoteResponse(ErrorCode.INVALID_REQUEST, RaftEpoch(0), None, False)


def test_a_follower_that_hears_its_leader_elects_nobody() -> None:
    """KIP-996: a voter that comes back disturbs nobody."""
    one = started(persisted=state(3, leader=2))
    assert ask(one, vote(3, 3, pre=True), 1) == VoteResponse(NONE, RaftEpoch(3), NodeId(2), True, peer(2))
    request = FetchRequest(RaftEpoch(3), key(1), 0, RaftEpoch(0), 0, SETTINGS.fetch_max_wait_ms)
    one.step(Answered(peer(2), request, FetchResponse(NONE, RaftEpoch(3), NodeId(2), 0)), 2)
    assert ask(one, vote(3, 3, pre=True), 3) == VoteResponse(NONE, RaftEpoch(3), NodeId(2), False, peer(2))


def test_a_leader_elects_nobody_in_advance_and_yields_to_a_higher_epoch() -> None:
    one = elected()
    assert ask(one, vote(1, last=(1, 1), pre=True), ELECTION_MS) == VoteResponse(
        NONE, RaftEpoch(1), NodeId(1), False, peer(1)
    )
    effects_answer = ask(one, vote(2, last=(1, 1)), ELECTION_MS)
    assert (effects_answer, one.role) == (VoteResponse(NONE, RaftEpoch(2), None, True), "unattached")


def test_an_epoch_with_a_leader_gets_no_more_votes() -> None:
    one = started(persisted=state(3, leader=2))
    assert ask(one, vote(3, 3), 1) == VoteResponse(NONE, RaftEpoch(3), NodeId(2), False, peer(2))


def test_who_led_an_epoch_before_a_restart_makes_way_for_the_next() -> None:
    """It may have forgotten what it appended, so it neither leads on nor votes."""
    one = node(persisted=state(3, leader=1))
    effects = one.step(Started(), 0)
    assert (one.role, one.leader_id) == ("resigned", None)
    assert [request.successors for request in sent(effects, EndEpochRequest)] == [(key(2), key(3))] * 2
    assert ask(one, vote(3, 2), 1) == VoteResponse(NONE, RaftEpoch(3), None, False)
    effects = one.step(Ticked(), ELECTION_MS)
    assert (of(effects, Persist), one.role) == ([Persist(state(4))], "unattached")


def test_a_new_leader_is_followed_at_the_address_that_it_names() -> None:
    one = started()
    begin = BeginEpochRequest(RaftEpoch(2), NodeId(3), key(1), (endpoint(3)._replace(port=1),))
    answer = ask(one, begin, 1)
    moved = Peer(NodeId(3), "host3", 1)
    assert answer == BeginEpochResponse(NONE, RaftEpoch(2), NodeId(3), moved)
    assert (one.leader_id, one.leader_peer) == (3, moved)


@pytest.mark.parametrize(
    ("epoch", "leader", "voter", "error"),
    [
        (1, 3, 1, ErrorCode.FENCED_LEADER_EPOCH),
        (2, 3, 1, ErrorCode.INVALID_REQUEST),
        (3, 3, 2, ErrorCode.INVALID_VOTER_KEY),
        (3, 1, 1, ErrorCode.INVALID_REQUEST),
        (-1, 3, 1, ErrorCode.INVALID_REQUEST),
    ],
)
def test_no_other_leader_is_followed(epoch: int, leader: int, voter: int, error: ErrorCode) -> None:
    one = started(persisted=state(2, leader=2))
    begin = BeginEpochRequest(RaftEpoch(epoch), NodeId(leader), key(voter))
    assert ask(one, begin, 1) == BeginEpochResponse(error, RaftEpoch(2), NodeId(2), peer(2))


def test_successors_stand_one_after_another() -> None:
    waits = []
    for me in (2, 3, 4):
        one = started(me=me, voters=5, persisted=state(2, leader=1))
        end = EndEpochRequest(RaftEpoch(2), NodeId(1), (key(2), key(3), key(5)))
        assert ask(one, end, 100) == EndEpochResponse(NONE, RaftEpoch(2), NodeId(1), peer(1))
        waits.append(next(t for t in range(100, 300) if role_at(one, t) != "follower"))
    assert waits == [100, 100 + 2 * SETTINGS.retry_backoff_ms, 100 + 8 * SETTINGS.retry_backoff_ms]


def role_at(quorum: Quorum, now_ms: int) -> str:
    quorum.step(Ticked(), now_ms)
    return quorum.role


def test_an_end_of_another_epoch_ends_nothing() -> None:
    one = started(persisted=state(2, leader=2))
    for end, error in (
        (EndEpochRequest(RaftEpoch(1), NodeId(2), ()), ErrorCode.FENCED_LEADER_EPOCH),
        (EndEpochRequest(RaftEpoch(2), NodeId(3), ()), ErrorCode.INVALID_REQUEST),
        (EndEpochRequest(RaftEpoch(2), NodeId(1), ()), ErrorCode.INVALID_REQUEST),
    ):
        assert ask(one, end, 1) == EndEpochResponse(error, RaftEpoch(2), NodeId(2), peer(2))


@pytest.mark.parametrize("event", [Resign(), Stopping()])
def test_a_leader_that_resigns_tells_its_voters(event: Resign | Stopping) -> None:
    one = elected()
    effects = one.step(event, ELECTION_MS + 5)
    assert of(effects, Follow) == [Follow(None, RaftEpoch(1))]
    assert len(sent(effects, EndEpochRequest)) == 2
    assert one.role == "resigned"


def test_who_stops_stands_no_more() -> None:
    one = started()
    one.step(Stopping(), 1)
    one.step(Ticked(), 10 * ELECTION_MS)
    assert (one.role, one.next_deadline_ms) == ("unattached", None)


def test_an_observer_never_stands() -> None:
    observer = started(me=9)
    assert observer.role == "observer"
    for now_ms in range(0, 10 * ELECTION_MS, 500):
        assert sent(observer.step(Ticked(), now_ms), VoteRequest) == []


def test_a_lost_quorum_state_does_not_take_the_epoch_back() -> None:
    one = node(log=log_of((7, 3)))
    assert Persist(state(7)) in one.step(Started(), 0)


def test_voters_of_a_bootstrap_snapshot_are_brought_into_the_log() -> None:
    """KIP-853: the first leader writes what the snapshot 0-0 said."""
    alone = node(1, 1, kraft_version=1)
    (append,) = of(alone.step(Started(), 0), AppendControl)
    assert [type(record) for record in append.controls] == [control.LeaderChange, control.KRaftVersion, control.Voters]
    # Kafka reads no other version, whatever the kraft.version is.
    assert append.controls[0] == control.LeaderChange(1, (control.VoterId(1),), (control.VoterId(1),), version=0)
    assert (alone.history.latest_offset, alone.history.kraft_version, alone.log.end_offset) == (2, 1, 3)
    alone.step(Flushed(3), 1)
    alone.step(Resign(), 2)
    (append,) = of(alone.step(Ticked(), 2 + 2 * ELECTION_MS), AppendControl) or of(
        alone.step(Ticked(), 5 * ELECTION_MS), AppendControl
    )
    assert [type(record) for record in append.controls] == [control.LeaderChange]


def test_a_leader_that_nobody_listens_for_is_not_waited_for() -> None:
    """A process that is gone refuses connections; it has no voice in the epoch any more."""
    one = started(persisted=state(3, leader=2))
    refused = Unanswered(peer(2), FetchRequest(RaftEpoch(3), key(1), 0, RaftEpoch(0)), refused=True)
    effects = one.step(refused, 10)
    assert (one.role, one.epoch) == ("prospective", 3)
    assert [ask.pre_vote for ask in sent(effects, VoteRequest)] == [True, True]


def test_a_leader_that_is_slow_is_waited_for() -> None:
    one = started(persisted=state(3, leader=2))
    one.step(Unanswered(peer(2), FetchRequest(RaftEpoch(3), key(1), 0, RaftEpoch(0))), 10)
    assert one.role == "follower"


def test_another_node_that_is_gone_is_no_news_of_the_leader() -> None:
    one = started(persisted=state(3, leader=2))
    one.step(Unanswered(peer(3), FetchRequest(RaftEpoch(3), key(1), 0, RaftEpoch(0)), refused=True), 10)
    assert one.role == "follower"


def test_who_knows_that_the_leader_is_gone_agrees_to_an_election() -> None:
    one = started(persisted=state(3, leader=2))
    one.step(Unanswered(peer(2), FetchRequest(RaftEpoch(3), key(1), 0, RaftEpoch(0)), refused=True), 10)
    answer = ask(one, vote(3, 3, pre=True, voter=1), 11)
    assert isinstance(answer, VoteResponse)
    assert answer.granted
