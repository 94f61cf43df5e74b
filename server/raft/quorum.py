"""Quorum: one node's part in the metadata log's consensus (KRaft). The entry of this package.

    quorum = Quorum(me, state, log, history, settings=..., jitter=..., bootstrap=..., endpoints=...)
    effects = quorum.step(event, now_ms)       # do them in order, each to its end, before the next step
    quorum.next_deadline_ms                    # step with Ticked at this time, if nothing comes before

Pure: no clock, no chance, no I/O. `now_ms` is monotonic; `jitter(n)` draws from [0, n). The first event is Started.
Nodes outside the voter set are observers: they follow and never stand for election.

Parts: Replica (shared state, and the ways between roles), Voting, Following, Leading, Changes (of the voter set).
Source: KIP-595 (consensus), KIP-630 (snapshots), KIP-853 (voters in the log), KIP-996 (pre-vote), KIP-1166.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.model.ids import NodeId, RaftEpoch
from server.raft.changes import Changes
from server.raft.effects import Answer, Effect, Follow, Lead, Persist
from server.raft.events import (
    Answered,
    Appended,
    Asked,
    Event,
    Flushed,
    LogStartMoved,
    Resign,
    SnapshotInstalled,
    SnapshotTaken,
    Started,
    Stopping,
    Unanswered,
    Upgrade,
)
from server.raft.following import Following
from server.raft.leading import Leading
from server.raft.log import LogView
from server.raft.replica import Replica
from server.raft.roles import Leader
from server.raft.rpc import (
    AddVoterRequest,
    BeginEpochRequest,
    BeginEpochResponse,
    ChangeVotersResponse,
    EndEpochRequest,
    EndEpochResponse,
    FetchRequest,
    FetchResponse,
    FetchSnapshotRequest,
    FetchSnapshotResponse,
    RemoveVoterRequest,
    ReplicaProgress,
    SupportRequest,
    SupportResponse,
    UpdateVoterRequest,
    VoteRequest,
    VoteResponse,
)
from server.raft.settings import Settings
from server.raft.state import ElectionState
from server.raft.voters import Endpoint, Peer, ReplicaKey, VoterHistory, VoterSet
from server.raft.voting import Voting


class Description(NamedTuple):
    """What a leader tells about its quorum (DescribeQuorum)."""

    leader_id: NodeId
    epoch: RaftEpoch
    high_watermark: int
    voters: tuple[ReplicaProgress, ...]
    observers: tuple[ReplicaProgress, ...]


class Quorum:
    def __init__(
        self,
        me: ReplicaKey,
        state: ElectionState,
        log: LogView,
        history: VoterHistory,
        *,
        jitter: Callable[[int], int],
        settings: Settings | None = None,
        bootstrap: Sequence[Peer] = (),
        endpoints: tuple[Endpoint, ...] = (),
    ) -> None:
        """Make the core of a node that has persisted `state`, and whose log is `log`.

        history    the configured voters, and the control records of the log, in order
        bootstrap  nodes that may know the leader (controller.quorum.bootstrap.servers), with ids below -1
        endpoints  where this node's controller listens; empty for a broker
        """
        self._replica = Replica(
            me,
            state,
            log,
            history,
            settings=settings or Settings(),
            jitter=jitter,
            bootstrap=bootstrap,
            endpoints=endpoints,
        )
        self._voting = Voting(self._replica)
        self._following = Following(self._replica)
        self._leading = Leading(self._replica)
        self._changes = Changes(self._replica, self._leading)
        self._replica.entered = self._following.entered
        self._replica.left_leadership = self._left_leadership

    def _left_leadership(self) -> None:
        self._leading.left()
        self._changes.left()

    @property
    def me(self) -> ReplicaKey:
        return self._replica.me

    @property
    def epoch(self) -> RaftEpoch:
        return self._replica.epoch

    @property
    def leader_id(self) -> NodeId | None:
        return self._replica.leader_id

    @property
    def is_leader(self) -> bool:
        return isinstance(self._replica.role, Leader)

    @property
    def leader_peer(self) -> Peer | None:
        return self._replica.leader_peer

    @property
    def role(self) -> str:
        """The role's name, in lower case, as the metric current-state has it."""
        name = type(self._replica.role).__name__.lower()
        return "observer" if name in ("follower", "unattached") and not self._replica.is_voter else name

    @property
    def high_watermark(self) -> int:
        return self._replica.log.high_watermark

    @property
    def log(self) -> LogView:
        return self._replica.log

    @property
    def voters(self) -> VoterSet:
        return self._replica.voters

    @property
    def history(self) -> VoterHistory:
        return self._replica.history

    @property
    def next_deadline_ms(self) -> int | None:
        parts = (self._voting, self._following, self._leading, self._changes)
        times = [time for time in (part.deadline_ms() for part in parts) if time is not None]
        return min(times, default=None)

    def describe(self, now_ms: int) -> Description | None:
        """What this node knows as the leader; None when it is not."""
        replica = self._replica
        if not isinstance(replica.role, Leader):
            return None
        voters, observers = replica.role.books.progress(replica.voters, replica.log.end_offset, now_ms)
        return Description(replica.me.id, replica.epoch, replica.log.high_watermark, voters, observers)

    def upgrade_refusal(self, version: int) -> str | None:
        """Why kraft.version cannot be raised to `version` now, in Kafka's words; None: Upgrade may be stepped."""
        return self._changes.upgrade_refusal(version)

    def step(self, event: Event, now_ms: int) -> tuple[Effect, ...]:
        """Take one event; return what must be done, in order."""
        replica = self._replica
        assert now_ms >= replica.now_ms, "time is monotonic"
        replica.now_ms, replica.out = now_ms, []
        self._take(event)
        for part in (self._voting, self._leading, self._changes, self._following):
            part.due()
        self._changes.settle()
        return _without_stale_persists(replica.out)

    def _take(self, event: Event) -> None:
        replica = self._replica
        match event:
            case Started():
                replica.start()
            case Asked():
                self._asked(event)
            case Answered():
                self._answered(event)
            case Unanswered():
                self._unanswered(event)
            case Appended(end_offset):
                self._leading.appended(end_offset)
            case Flushed(end_offset):
                self._leading.flushed(end_offset)
            case SnapshotTaken(snapshot):
                replica.log.snapshot_taken(snapshot)
            case SnapshotInstalled(snapshot, kraft_version, voters):
                replica.history.reset(snapshot.offset, kraft_version, voters)
                self._following.installed()
            case LogStartMoved(offset):
                replica.log.start_moved(offset)
            case Upgrade(version):
                self._changes.upgrade(version)
            case Resign() | Stopping():
                replica.stopping = replica.stopping or isinstance(event, Stopping)
                self._resign()

    def _resign(self) -> None:
        if isinstance(self._replica.role, Leader):
            self._replica.to_resigned()

    def _asked(self, event: Asked) -> None:
        emit, token = self._replica.emit, event.token
        match event.request:
            case VoteRequest() as ask:
                emit(Answer(token, self._voting.asked(ask)))
            case BeginEpochRequest() as ask:
                emit(Answer(token, self._voting.began(ask)))
            case EndEpochRequest() as ask:
                emit(Answer(token, self._voting.ended(ask)))
            case FetchRequest() as ask:
                self._leading.fetch(token, ask)
            case FetchSnapshotRequest() as ask:
                self._leading.fetch_snapshot(token, ask)
            case AddVoterRequest() as ask:
                self._changes.add(token, ask)
            case RemoveVoterRequest() as ask:
                self._changes.remove(token, ask)
            case UpdateVoterRequest() as ask:
                self._changes.update(token, ask)
            case SupportRequest():
                raise AssertionError("the shell answers ApiVersions by itself")

    def _answered(self, event: Answered) -> None:
        match event.request, event.response:
            case VoteRequest() as ask, VoteResponse() as answer:
                self._voting.answered(ask, answer)
            case BeginEpochRequest(), BeginEpochResponse() as answer:
                self._leading.begin_answered(answer)
            case EndEpochRequest(), EndEpochResponse() as answer:
                self._voting.end_answered(event.peer.id, answer)
            case FetchRequest() as ask, FetchResponse() as answer:
                self._following.fetched(ask, answer)
            case FetchSnapshotRequest() as ask, FetchSnapshotResponse() as answer:
                self._following.snapshot_fetched(ask, answer)
            case SupportRequest() as ask, SupportResponse() as answer:
                self._changes.support_answered(ask, answer)
            case UpdateVoterRequest() as ask, ChangeVotersResponse() as answer:
                self._following.updated(ask, answer)

    def _unanswered(self, event: Unanswered) -> None:
        match event.request:
            case VoteRequest() as ask:
                self._voting.unanswered(ask)
            case FetchRequest() | FetchSnapshotRequest() as ask:
                self._following.unanswered(ask)
            case SupportRequest() as ask:
                self._changes.support_unanswered(ask)
        if event.refused:
            self._voting.gone(event.peer)


def _without_stale_persists(effects: list[Effect]) -> tuple[Effect, ...]:
    """Leave out a Persist that another follows, with nothing in between that anybody else could see."""
    kept: list[Effect] = []
    overwritten = False
    for effect in reversed(effects):
        if isinstance(effect, Persist):
            if overwritten:
                continue
            overwritten = True
        elif not isinstance(effect, Follow | Lead):
            overwritten = False
        kept.append(effect)
    return tuple(reversed(kept))
