"""Small builders of raft nodes for tests: a node of so many voters, started, and led to where a test begins."""

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from server.model.errors import ErrorCode
from server.model.ids import DirectoryId, NodeId, RaftEpoch
from server.raft.effects import Answer, Effect, Send
from server.raft.events import Answered, Asked, Flushed, Started, Ticked
from server.raft.log import LogView
from server.raft.quorum import Quorum
from server.raft.rpc import FetchRequest, OffsetAndEpoch, Request, Response, VoteRequest, VoteResponse
from server.raft.settings import Settings
from server.raft.state import ElectionState
from server.raft.voters import Endpoint, Peer, ReplicaKey, Voter, VoterHistory, VoterSet

SETTINGS = Settings()
ELECTION_MS, FETCH_MS = SETTINGS.election_timeout_ms, SETTINGS.fetch_timeout_ms
NONE = ErrorCode.NONE
T = TypeVar("T")


def key(node: int) -> ReplicaKey:
    return ReplicaKey(NodeId(node), DirectoryId(UUID(int=1000 + node)))


def endpoint(node: int) -> Endpoint:
    return Endpoint("CONTROLLER", f"host{node}", 9000 + node)


def peer(node: int) -> Peer:
    return Peer(NodeId(node), f"host{node}", 9000 + node)


def voter(node: int) -> Voter:
    return Voter(key(node), (endpoint(node),))


def at(offset: int, epoch: int) -> OffsetAndEpoch:
    return OffsetAndEpoch(offset, RaftEpoch(epoch))


def state(epoch: int, leader: int | None = None, voted: int | None = None) -> ElectionState:
    leader_id = None if leader is None else NodeId(leader)
    return ElectionState(RaftEpoch(epoch), leader_id, None if voted is None else key(voted))


def log_of(*lengths: tuple[int, int], start: int = 0, snapshots: Iterable[OffsetAndEpoch] = ()) -> LogView:
    """A log of (epoch, how many records), from `start` on."""
    epochs, end = [], start
    for epoch, count in lengths:
        epochs.append((RaftEpoch(epoch), end))
        end += count
    return LogView(start_offset=start, end_offset=end, epochs=epochs, snapshots=snapshots)


def node(
    me: int = 1,
    voters: int = 3,
    *,
    persisted: ElectionState | None = None,
    log: LogView | None = None,
    kraft_version: int = 0,
    bootstrap: tuple[Peer, ...] = (),
) -> Quorum:
    """A node, not yet started. It draws no chance: each jitter is 0."""
    return Quorum(
        key(me),
        persisted or ElectionState(),
        log or LogView(),
        VoterHistory(VoterSet(voter(n) for n in range(1, voters + 1)), kraft_version),
        jitter=lambda stop: 0,
        settings=SETTINGS,
        bootstrap=bootstrap,
        endpoints=(endpoint(me),),
    )


def started(*args: int, **kwargs: object) -> Quorum:
    quorum = node(*args, **kwargs)  # type: ignore[arg-type]
    quorum.step(Started(), 0)
    return quorum


def ask(quorum: Quorum, request: Request, now_ms: int) -> Response:
    """Step with a request that is answered at once."""
    effects = quorum.step(Asked("token", request), now_ms)
    (answer,) = [effect for effect in effects if isinstance(effect, Answer) and effect.token == "token"]
    return answer.response


def sent(effects: Iterable[Effect], kind: type[T]) -> list[T]:
    return [effect.request for effect in effects if isinstance(effect, Send) and isinstance(effect.request, kind)]


def of(effects: Iterable[Effect], kind: type[T]) -> list[T]:
    return [effect for effect in effects if isinstance(effect, kind)]


def grant(request: VoteRequest, epoch: int | None = None) -> Answered:
    answer = VoteResponse(NONE, request.epoch if epoch is None else RaftEpoch(epoch), None, True)
    return Answered(peer(request.voter.id), request, answer)


def elected(voters: int = 3, *, log: LogView | None = None, kraft_version: int = 0, epoch: int = 0) -> Quorum:
    """Node 1, leading the epoch after `epoch` since ELECTION_MS, with the first record of its epoch flushed."""
    quorum = node(1, voters, log=log, kraft_version=kraft_version, persisted=state(epoch))
    lead(quorum)
    return quorum


def lead(quorum: Quorum) -> None:
    """Have a node that is not started yet elected at ELECTION_MS."""
    voters = len(quorum.voters)
    effects = quorum.step(Started(), 0)
    if voters > 1:
        effects = quorum.step(Ticked(), ELECTION_MS)
        for _ in range(2):  # the pre-vote, then the vote
            for request in sent(effects, VoteRequest)[: voters // 2]:
                effects = quorum.step(grant(request), ELECTION_MS)
    assert quorum.is_leader
    quorum.step(Flushed(quorum.log.end_offset), ELECTION_MS)


def fetch(quorum: Quorum, replica: int, offset: int, last_epoch: int, wait_ms: int = 0, hw: int = 0) -> FetchRequest:
    return FetchRequest(quorum.epoch, key(replica), offset, RaftEpoch(last_epoch), hw, wait_ms)
