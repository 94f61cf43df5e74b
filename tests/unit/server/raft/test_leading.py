"""Leading: what fetches are answered, what is committed, and when a leader gives up."""

import pytest

from server.model.errors import ErrorCode
from server.model.ids import NodeId, RaftEpoch
from server.raft.effects import Answer, Effect, Follow, HwAdvanced
from server.raft.events import (
    Answered,
    Appended,
    Asked,
    Flushed,
    LogStartMoved,
    Resign,
    SnapshotTaken,
    Stopping,
    Ticked,
)
from server.raft.quorum import Quorum
from server.raft.rpc import (
    UNKNOWN_HW,
    BeginEpochRequest,
    BeginEpochResponse,
    FetchRequest,
    FetchResponse,
    FetchSnapshotRequest,
    FetchSnapshotResponse,
    ReplicaProgress,
)
from tests.unit.server.raft.nodes import (
    ELECTION_MS,
    NONE,
    SETTINGS,
    ask,
    at,
    elected,
    endpoint,
    fetch,
    key,
    log_of,
    of,
    peer,
    sent,
    started,
    state,
)

NOW = ELECTION_MS


def asked(one: Quorum, request: FetchRequest, now_ms: int = NOW) -> tuple[Effect, ...]:
    return one.step(Asked("t", request), now_ms)


def answered(one: Quorum, request: FetchRequest, now_ms: int = NOW) -> FetchResponse:
    response = ask(one, request, now_ms)
    assert isinstance(response, FetchResponse)
    return response


def test_a_fetch_is_told_what_to_read() -> None:
    one = elected(log=log_of((1, 4)), epoch=1)
    said = answered(one, fetch(one, 2, 2, 1))
    assert (said.read_from, said.read_to, said.error, said.leader_id) == (2, 5, NONE, 1)
    assert (said.log_start_offset, said.leader) == (0, peer(1))


def test_a_fetch_at_the_end_waits_until_there_is_news() -> None:
    one = elected()
    request = fetch(one, 2, 1, 1, wait_ms=500, hw=1)
    asked(one, request)  # this commits the first record, which node 2 then knows
    assert asked(one, request, NOW + 1) == ()
    (answer,) = of(one.step(Appended(3), NOW + 2), Answer)[:1]
    assert isinstance(answer.response, FetchResponse)
    assert (answer.response.read_from, answer.response.read_to) == (1, 3)


def test_a_fetch_without_news_is_answered_in_the_end() -> None:
    one = elected()
    asked(one, fetch(one, 2, 1, 1))
    request = fetch(one, 2, 1, 1, wait_ms=500, hw=1)
    assert asked(one, request, NOW + 1) == ()
    assert one.next_deadline_ms == NOW + 501
    (answer,) = of(one.step(Ticked(), NOW + 501), Answer)
    assert isinstance(answer.response, FetchResponse)
    assert (answer.response.error, answer.response.read_from, answer.response.high_watermark) == (NONE, -1, 1)


def test_a_fetch_that_lacks_the_high_watermark_is_answered_with_it() -> None:
    """KIP-1166; an older fetcher does not say what it knows, and waits for records."""
    one = elected()
    asked(one, fetch(one, 2, 1, 1))
    assert answered(one, fetch(one, 3, 1, 1, wait_ms=500, hw=0)).high_watermark == 1
    assert asked(one, fetch(one, 3, 1, 1, wait_ms=500, hw=UNKNOWN_HW)) == ()


def test_a_waiting_fetch_is_answered_when_the_high_watermark_moves() -> None:
    one = elected(voters=5)
    assert asked(one, fetch(one, 2, 1, 1, wait_ms=500)) == ()
    effects = one.step(Asked("other", fetch(one, 3, 1, 1, wait_ms=500)), NOW + 1)
    assert of(effects, HwAdvanced) == [HwAdvanced(1)]
    assert {answer.token for answer in of(effects, Answer)} == {"t", "other"}


def test_waiting_fetches_are_refused_by_who_leads_no_more() -> None:
    one = elected()
    asked(one, fetch(one, 2, 1, 1))
    asked(one, fetch(one, 2, 1, 1, wait_ms=500, hw=1))
    effects = one.step(Resign(), NOW + 1)
    (answer,) = of(effects, Answer)
    assert isinstance(answer.response, FetchResponse)
    assert answer.response.error is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert of(one.step(Ticked(), NOW + 600), Answer) == []


def test_refused_fetches_are_forgotten() -> None:
    one = elected(voters=1)
    asked(one, fetch(one, 9, 1, 1, wait_ms=500, hw=1))
    assert len(of(one.step(Resign(), NOW), Answer)) == 1
    later = [effect for now_ms in range(NOW, NOW + 5000, 100) for effect in one.step(Ticked(), now_ms)]
    assert one.is_leader
    assert of(later, Answer) == []


@pytest.mark.parametrize(
    ("epoch", "error"), [(0, ErrorCode.FENCED_LEADER_EPOCH), (2, ErrorCode.UNKNOWN_LEADER_EPOCH), (1, NONE)]
)
def test_a_fetch_of_another_epoch_is_refused(epoch: int, error: ErrorCode) -> None:
    one = elected()
    said = answered(one, FetchRequest(RaftEpoch(epoch), key(2), 0, RaftEpoch(0)))
    assert (said.error, said.epoch, said.leader_id) == (error, 1, 1)


def test_who_does_not_lead_says_who_does() -> None:
    one = started(persisted=state(3, leader=2))
    said = answered(one, FetchRequest(RaftEpoch(3), key(3), 0, RaftEpoch(0)), 1)
    assert (said.error, said.leader_id, said.leader) == (ErrorCode.NOT_LEADER_OR_FOLLOWER, 2, peer(2))
    assert (said.high_watermark, said.log_start_offset) == (-1, -1)


@pytest.mark.parametrize(("offset", "last_epoch"), [(-1, 0), (0, -1), (0, 9)])
def test_a_fetch_that_contradicts_itself_is_invalid(offset: int, last_epoch: int) -> None:
    one = elected()
    assert answered(one, fetch(one, 2, offset, last_epoch)).error is ErrorCode.INVALID_REQUEST


def test_who_stops_serves_no_more() -> None:
    one = elected()
    one.step(Stopping(), NOW)
    assert answered(one, fetch(one, 2, 0, 0)).error is ErrorCode.BROKER_NOT_AVAILABLE


@pytest.mark.parametrize(
    ("offset", "last_epoch", "end"), [(6, 2, (4, 1)), (9, 1, (4, 1)), (7, 3, (6, 3)), (99, 4, (7, 4))]
)
def test_a_log_that_went_another_way_is_told_where(offset: int, last_epoch: int, end: tuple[int, int]) -> None:
    one = elected(log=log_of((1, 4), (3, 2)), epoch=3)
    said = answered(one, fetch(one, 2, offset, last_epoch))
    assert (said.diverging, said.read_from) == (at(*end), -1)


def test_a_log_that_ends_too_early_is_told_of_the_latest_snapshot() -> None:
    snapshots = [at(4, 1), at(6, 3)]
    one = elected(log=log_of((3, 5), start=4, snapshots=snapshots), epoch=3)
    for offset, last_epoch in ((0, 0), (3, 1), (4, 2)):
        said = answered(one, fetch(one, 2, offset, last_epoch))
        assert (said.snapshot, said.diverging, said.read_from) == (at(6, 3), None, -1)
    assert answered(one, fetch(one, 2, 4, 1)).read_from == 4


def test_the_high_watermark_is_what_a_majority_holds() -> None:
    one = elected(voters=5)
    one.step(Appended(10), NOW)
    one.step(Flushed(10), NOW)
    assert asked(one, fetch(one, 2, 8, 1)) == asked(one, fetch(one, 2, 8, 1))[-1:]
    assert of(asked(one, fetch(one, 3, 5, 1)), HwAdvanced) == [HwAdvanced(5)]
    assert of(asked(one, fetch(one, 4, 9, 1)), HwAdvanced) == [HwAdvanced(8)]
    assert of(asked(one, fetch(one, 4, 3, 1)), HwAdvanced) == []  # an old request; what is committed stays
    assert one.high_watermark == 8


def test_observers_do_not_count() -> None:
    one = elected()
    assert of(asked(one, fetch(one, 9, 1, 1)), HwAdvanced) == []
    other_disk = FetchRequest(one.epoch, key(2)._replace(directory_id=key(9).directory_id), 1, RaftEpoch(1))
    assert of(asked(one, other_disk), HwAdvanced) == []
    assert of(asked(one, FetchRequest(one.epoch, key(2)._replace(id=NodeId(-1)), 1, RaftEpoch(1))), HwAdvanced) == []


def test_the_leaders_own_records_count_once_they_are_on_disk() -> None:
    one = elected(voters=1)
    assert one.high_watermark == 1
    assert of(one.step(Appended(4), NOW), HwAdvanced) == []
    assert of(one.step(Flushed(3), NOW), HwAdvanced) == [HwAdvanced(3)]
    assert of(one.step(Flushed(4), NOW), HwAdvanced) == [HwAdvanced(4)]


def test_followers_can_commit_what_the_leader_has_not_flushed() -> None:
    one = elected()
    one.step(Appended(4), NOW)
    asked(one, fetch(one, 2, 4, 1))
    assert one.high_watermark == 1
    assert of(asked(one, fetch(one, 3, 4, 1)), HwAdvanced) == [HwAdvanced(4)]


def test_records_of_older_epochs_are_committed_by_one_of_the_own() -> None:
    """Raft, figure 8: counting them could be undone by a leader that does not have them."""
    one = elected(log=log_of((1, 4)), epoch=1)
    assert of(asked(one, fetch(one, 2, 4, 1)), HwAdvanced) == []
    assert of(asked(one, fetch(one, 2, 5, 2)), HwAdvanced) == [HwAdvanced(5)]


def test_the_tail_of_a_leader_that_steps_down_is_shown_when_it_is_flushed() -> None:
    """It will fetch from its end, and that counts."""
    one = elected()
    one.step(Appended(4), NOW)
    one.step(Resign(), NOW)
    begun = BeginEpochRequest(RaftEpoch(2), NodeId(2), None, (endpoint(2),))
    assert sent(one.step(Asked("begin", begun), NOW), FetchRequest) == []
    (ask,) = sent(one.step(Flushed(4), NOW), FetchRequest)
    assert ask.offset == 4


def test_a_flush_that_ends_after_the_leadership_commits_nothing() -> None:
    one = elected()
    one.step(Resign(), NOW)
    assert one.step(Flushed(99), NOW) == ()
    assert one.step(Appended(99), NOW) == ()
    assert (one.log.end_offset, one.log.flushed) == (1, 1)


def test_a_leader_that_a_majority_does_not_ask_gives_up() -> None:
    one = elected(voters=5)
    asked(one, fetch(one, 2, 0, 0), NOW + 100)
    asked(one, fetch(one, 3, 99, 1), NOW + 200)  # even one whose log diverges is there
    alone = NOW + 100 + SETTINGS.check_quorum_timeout_ms
    one.step(Ticked(), alone - 1)
    assert one.is_leader
    effects = one.step(Ticked(), alone)
    assert of(effects, Follow) == [Follow(None, RaftEpoch(1))]
    assert one.role == "resigned"


def test_observers_keep_no_leader_in_office() -> None:
    one = elected()
    for now_ms in range(NOW, NOW + SETTINGS.check_quorum_timeout_ms + 1, 100):
        asked(one, fetch(one, 9, 0, 0), now_ms)
    assert one.role == "resigned"


def test_silent_voters_are_told_again_who_leads() -> None:
    one = elected()
    later = NOW + SETTINGS.begin_epoch_timeout_ms
    asked(one, fetch(one, 2, 0, 0), NOW + 10)
    assert [begin.voter for begin in sent(one.step(Ticked(), later), BeginEpochRequest)] == [key(3)]


def test_a_leader_learns_of_a_higher_epoch_from_any_answer() -> None:
    one = elected()
    begin = BeginEpochRequest(RaftEpoch(1), NodeId(1), key(2))
    one.step(Answered(peer(2), begin, BeginEpochResponse(ErrorCode.FENCED_LEADER_EPOCH, RaftEpoch(5), NodeId(3))), NOW)
    assert (one.role, one.epoch, one.leader_id) == ("follower", 5, 3)


def test_pieces_of_snapshots_are_served_if_they_exist() -> None:
    one = elected(log=log_of((1, 9)), epoch=1)
    asked(one, fetch(one, 2, 10, 2))
    one.step(SnapshotTaken(at(5, 1)), NOW)
    want = FetchSnapshotRequest(one.epoch, key(3), at(5, 1), 7)
    known = (one.epoch, NodeId(1))
    assert ask(one, want, NOW) == FetchSnapshotResponse(NONE, *known, at(5, 1), 7, leader=peer(1))
    one.step(SnapshotTaken(at(9, 1)), NOW)
    one.step(LogStartMoved(9), NOW)
    said = ask(one, want, NOW)
    assert said == FetchSnapshotResponse(ErrorCode.SNAPSHOT_NOT_FOUND, *known, at(5, 1), 7, leader=peer(1))
    below = FetchSnapshotRequest(one.epoch, key(3), at(9, 1), -1)
    said = ask(one, below, NOW)
    assert said == FetchSnapshotResponse(ErrorCode.POSITION_OUT_OF_RANGE, *known, at(9, 1), -1, leader=peer(1))


def test_a_leader_describes_who_is_how_far() -> None:
    one = elected()
    one.step(Appended(5), NOW)
    asked(one, fetch(one, 2, 5, 1), NOW + 10)
    asked(one, fetch(one, 9, 1, 1), NOW + 20)
    said = one.describe(NOW + 50)
    assert said is not None
    assert (said.leader_id, said.epoch, said.high_watermark) == (1, 1, 1)
    assert said.voters == (
        ReplicaProgress(*key(1), 5, NOW + 50, NOW + 50),
        ReplicaProgress(*key(2), 5, NOW + 10, NOW + 10),
        ReplicaProgress(*key(3), -1, None, None),
    )
    assert said.observers == (ReplicaProgress(*key(9), 1, NOW + 20, None),)
    assert started(persisted=state(3, leader=2)).describe(1) is None


def test_a_replica_was_caught_up_when_it_asked_for_what_it_reaches_now() -> None:
    one = elected()
    one.step(Appended(5), NOW)
    asked(one, fetch(one, 2, 1, 1), NOW + 10)
    one.step(Appended(9), NOW + 15)
    asked(one, fetch(one, 2, 5, 1), NOW + 20)
    said = one.describe(NOW + 50)
    assert said is not None
    assert said.voters[1] == ReplicaProgress(*key(2), 5, NOW + 20, NOW + 10)
