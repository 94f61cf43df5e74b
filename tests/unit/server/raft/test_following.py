"""Following a leader: what a fetch asks, and what its answer changes."""

from dataclasses import replace

import pytest

from server.model.errors import ErrorCode
from server.model.ids import NodeId, RaftEpoch
from server.raft.effects import (
    AppendFetched,
    Effect,
    HwAdvanced,
    InstallSnapshot,
    Persist,
    Send,
    StoreSnapshot,
    Truncate,
)
from server.raft.events import Answered, Flushed, SnapshotInstalled, Started, Ticked, Unanswered
from server.raft.quorum import Quorum
from server.raft.rpc import (
    FetchedBatch,
    FetchRequest,
    FetchResponse,
    FetchSnapshotRequest,
    FetchSnapshotResponse,
    UpdateVoterRequest,
)
from server.raft.voters import Peer, VoterSet
from tests.unit.server.raft.nodes import (
    FETCH_MS,
    NONE,
    SETTINGS,
    at,
    key,
    log_of,
    node,
    of,
    peer,
    sent,
    started,
    state,
    voter,
)

EPOCH = RaftEpoch(3)


def follower(*lengths: tuple[int, int]) -> Quorum:
    """Node 1, which follows node 2 in epoch 3."""
    return started(persisted=state(EPOCH, leader=2), log=log_of(*lengths))


def asks(offset: int, last_epoch: int, hw: int = 0, epoch: int = EPOCH) -> FetchRequest:
    return FetchRequest(RaftEpoch(epoch), key(1), offset, RaftEpoch(last_epoch), hw, SETTINGS.fetch_max_wait_ms)


def says(hw: int = 0, **given: object) -> FetchResponse:
    return replace(FetchResponse(NONE, EPOCH, NodeId(2), hw), **given)  # type: ignore[arg-type]


def batches(*spans: tuple[int, int, int]) -> tuple[FetchedBatch, ...]:
    return tuple(FetchedBatch(base, end, RaftEpoch(epoch)) for base, end, epoch in spans)


def answer(one: Quorum, request: FetchRequest, response: FetchResponse, now_ms: int = 10) -> tuple[Effect, ...]:
    return one.step(Answered(peer(2), request, response), now_ms)


def test_a_follower_asks_its_leader_for_what_comes_next() -> None:
    one = node(persisted=state(EPOCH, leader=2), log=log_of((1, 4), (3, 2)))
    effects = one.step(Started(), 0)
    assert [effect for effect in effects if isinstance(effect, Send)] == [Send(peer(2), asks(6, 3))]


def test_what_is_fetched_is_appended_and_the_next_is_asked_for() -> None:
    one = follower((1, 4))
    effects = answer(one, asks(4, 1), says(2, batches=batches((4, 6, 1), (6, 7, 3)), records=b"data"))
    assert effects == (
        AppendFetched(b"data", 4, 7),
        HwAdvanced(2),
    )
    assert one.log.epochs == [(1, 0), (3, 6)]
    # A fetch acknowledges what is before it: it waits until that is on disk.
    assert one.step(Flushed(6), 10) == ()
    assert one.step(Flushed(7), 10) == (Send(peer(2), asks(7, 3, hw=2)),)


def test_the_high_watermark_goes_no_further_than_the_own_log() -> None:
    one = follower((1, 4))
    assert of(answer(one, asks(4, 1), says(99)), HwAdvanced) == [HwAdvanced(4)]


def test_the_high_watermark_never_falls() -> None:
    one = follower((1, 4))
    answer(one, asks(4, 1), says(3))
    assert of(answer(one, asks(4, 1, hw=3), says(2), 20), HwAdvanced) == []
    assert one.high_watermark == 3


@pytest.mark.parametrize(
    "spans", [((5, 6, 3),), ((3, 4, 3),), ((4, 5, 3), (6, 7, 3)), ((4, 5, 1), (5, 6, 4)), ((4, 5, 0),)]
)
def test_what_does_not_continue_the_log_is_not_appended(spans: tuple[tuple[int, int, int], ...]) -> None:
    one = follower((1, 4))
    assert of(answer(one, asks(4, 1), says(batches=batches(*spans))), AppendFetched) == []
    assert one.log.end_offset == 4


def test_a_late_answer_is_not_taken_for_the_current_one() -> None:
    one = follower((1, 4))
    first = says(batches=batches((4, 5, 3)))
    answer(one, asks(4, 1), first)
    assert answer(one, asks(4, 1), first) == ()
    assert one.log.end_offset == 5


def test_an_answer_to_an_earlier_epoch_is_not_taken() -> None:
    one = follower((1, 4))
    assert answer(one, asks(4, 1, epoch=2), says(batches=batches((4, 5, 3)))) == ()


def test_an_answer_of_an_earlier_epoch_is_asked_again() -> None:
    one = follower((1, 4))
    effects = answer(one, asks(4, 1), says(batches=batches((4, 5, 1)), epoch=RaftEpoch(2)))
    assert (effects, one.next_deadline_ms) == ((), 10 + SETTINGS.retry_backoff_ms)


def test_what_the_leader_does_not_have_is_cut_off() -> None:
    one = follower((1, 4), (2, 3))
    effects = answer(one, asks(7, 2), says(diverging=at(3, 1)))
    assert effects == (Truncate(3), Send(peer(2), asks(3, 1)))


def test_committed_records_are_not_cut_off() -> None:
    one = follower((1, 4), (2, 3))
    answer(one, asks(7, 2), says(6))
    effects = answer(one, asks(7, 2, hw=6), says(6, diverging=at(4, 1)), 20)
    assert (effects, one.log.end_offset) == ((), 7)


def test_another_leader_is_followed_when_the_answer_names_it() -> None:
    one = follower((1, 4))
    moved = Peer(NodeId(3), "elsewhere", 7)
    refusal = FetchResponse(ErrorCode.FENCED_LEADER_EPOCH, RaftEpoch(5), NodeId(3), leader=moved)
    effects = answer(one, asks(4, 1), refusal)
    assert Persist(state(5, leader=3)) in effects
    assert sent(effects, FetchRequest) == [asks(4, 1, epoch=5)]
    assert one.leader_peer == moved


def test_a_leader_that_is_none_is_asked_again_after_a_while() -> None:
    one = follower((1, 4))
    effects = answer(one, asks(4, 1), FetchResponse(ErrorCode.NOT_LEADER_OR_FOLLOWER, EPOCH, None))
    assert (effects, one.next_deadline_ms) == ((), 10 + SETTINGS.retry_backoff_ms)
    assert sent(one.step(Ticked(), 10 + SETTINGS.retry_backoff_ms), FetchRequest) == [asks(4, 1)]


def test_a_fetch_without_an_answer_is_repeated() -> None:
    one = follower((1, 4))
    assert one.step(Unanswered(peer(2), asks(4, 1)), 5) == ()
    assert sent(one.step(Ticked(), 5 + SETTINGS.retry_backoff_ms), FetchRequest) == [asks(4, 1)]


def test_a_leader_without_news_that_does_not_wait_is_not_asked_in_a_circle() -> None:
    one = follower((1, 4))
    assert answer(one, asks(4, 1), says(), now_ms=0) == ()
    assert one.next_deadline_ms == SETTINGS.retry_backoff_ms


def test_answers_keep_a_follower_from_standing() -> None:
    one = follower((1, 4))
    answer(one, asks(4, 1), says(), FETCH_MS - 1)
    one.step(Ticked(), FETCH_MS)
    assert one.role == "follower"
    one.step(Ticked(), 2 * FETCH_MS - 1)
    assert one.role == "prospective"


def test_who_knows_no_leader_asks_around() -> None:
    observer = node(me=9, bootstrap=(Peer(NodeId(-2), "seed", 1),))
    effects = observer.step(Started(), 0)
    assert [effect.peer for effect in effects if isinstance(effect, Send)] == [Peer(NodeId(-2), "seed", 1)]
    request = sent(effects, FetchRequest)[0]
    refusal = FetchResponse(ErrorCode.NOT_LEADER_OR_FOLLOWER, RaftEpoch(0), NodeId(3))
    effects = observer.step(Answered(Peer(NodeId(-2), "seed", 1), request, refusal), 1)
    assert [effect.peer for effect in effects if isinstance(effect, Send)] == [peer(3)]


def test_an_observer_whose_leader_is_silent_asks_around() -> None:
    seed = Peer(NodeId(-2), "seed", 1)
    observer = node(me=9, bootstrap=(seed,), persisted=state(EPOCH, leader=2))
    (first,) = [effect for effect in observer.step(Started(), 0) if isinstance(effect, Send)]
    assert first.peer == peer(2)
    effects = observer.step(Ticked(), FETCH_MS)
    assert [effect.peer for effect in effects if isinstance(effect, Send)] == [seed]


# Snapshots.


def test_an_observer_whose_leader_is_gone_asks_around_without_waiting_for_it() -> None:
    seed = Peer(NodeId(-2), "seed", 1)
    observer = node(me=9, bootstrap=(seed,), persisted=state(EPOCH, leader=2))
    (first,) = [effect for effect in observer.step(Started(), 0) if isinstance(effect, Send)]
    observer.step(Unanswered(first.peer, first.request, refused=True), 10)
    asked = [effect for effect in observer.step(Ticked(), 10 + SETTINGS.retry_backoff_ms) if isinstance(effect, Send)]
    assert [effect.peer for effect in asked] == [seed]


def piece(position: int, data: bytes, size: int, *, snapshot: tuple[int, int] = (50, 2)) -> FetchSnapshotResponse:
    return FetchSnapshotResponse(NONE, EPOCH, NodeId(2), at(*snapshot), position, size, data)


def wants(position: int) -> FetchSnapshotRequest:
    return FetchSnapshotRequest(EPOCH, key(1), at(50, 2), position)


def test_a_snapshot_is_fetched_piece_by_piece_and_replaces_the_log() -> None:
    one = follower((1, 4))
    effects = answer(one, asks(4, 1), says(60, snapshot=at(50, 2)))
    assert effects == (Send(peer(2), wants(0)),)
    effects = one.step(Answered(peer(2), wants(0), piece(0, b"abc", 5)), 20)
    assert effects == (StoreSnapshot(at(50, 2), 0, b"abc"), Send(peer(2), wants(3)))
    assert one.step(Answered(peer(2), wants(0), piece(0, b"abc", 5)), 21) == ()  # the first again
    effects = one.step(Answered(peer(2), wants(3), piece(3, b"de", 5)), 22)
    assert effects == (StoreSnapshot(at(50, 2), 3, b"de"), InstallSnapshot(at(50, 2)))
    effects = one.step(SnapshotInstalled(at(50, 2), 1, VoterSet([voter(1), voter(2)])), 23)
    assert effects == (Send(peer(2), asks(50, 2, hw=50)),)
    assert (one.high_watermark, sorted(one.voters.ids), one.history.kraft_version) == (50, [1, 2], 1)


@pytest.mark.parametrize(
    "bad",
    [
        replace(piece(0, b"abc", 5), error=ErrorCode.SNAPSHOT_NOT_FOUND),
        piece(0, b"abc", 5, snapshot=(49, 2)),
        piece(1, b"abc", 5),
    ],
)
def test_a_snapshot_that_is_gone_is_given_up(bad: FetchSnapshotResponse) -> None:
    one = follower((1, 4))
    answer(one, asks(4, 1), says(60, snapshot=at(50, 2)))
    assert one.step(Answered(peer(2), wants(0), bad), 20) == ()
    assert sent(one.step(Ticked(), 20 + SETTINGS.retry_backoff_ms), FetchRequest) == [asks(4, 1)]


@pytest.mark.parametrize("bad", [piece(0, b"", 5), piece(0, b"abcdef", 5)])
def test_a_piece_that_does_not_fit_is_asked_for_again(bad: FetchSnapshotResponse) -> None:
    one = follower((1, 4))
    answer(one, asks(4, 1), says(60, snapshot=at(50, 2)))
    assert one.step(Answered(peer(2), wants(0), bad), 20) == ()
    assert sent(one.step(Ticked(), 20 + SETTINGS.retry_backoff_ms), FetchSnapshotRequest) == [wants(0)]


def test_a_snapshot_of_what_is_committed_here_is_not_wanted() -> None:
    one = follower((1, 4))
    answer(one, asks(4, 1), says(4))
    assert answer(one, asks(4, 1, hw=4), says(4, snapshot=at(4, 1)), 20) == ()
    assert sent(one.step(Ticked(), 40), FetchRequest) == [asks(4, 1, hw=4)]


# The own addresses.


def test_a_voter_that_moved_tells_the_leader() -> None:
    """KIP-853."""
    one = started(persisted=state(EPOCH, leader=2), kraft_version=1)
    old = voter(1)
    old_voters = one.voters.with_voter(replace(old, endpoints=(old.endpoints[0]._replace(host="old"),)))
    one.history.replace_static(old_voters)
    updates = []
    for now_ms in range(0, 4 * FETCH_MS, 500):
        updates += sent(one.step(Ticked(), now_ms), UpdateVoterRequest)
        updates += sent(one.step(Answered(peer(2), asks(0, 0), says()), now_ms), UpdateVoterRequest)
    assert updates == [UpdateVoterRequest(EPOCH, voter(1))]
