"""Replica: what every part of the core shares, and the ways from one role to another.

Each way in is one method here, so that the rules which keep raft safe stand in one place: an epoch never falls, a vote
is given once in an epoch, both are persisted before anything is sent that shows them, and whoever led an epoch never
votes in it again. Source: KIP-595, KIP-996.
"""

from collections.abc import Callable, Sequence

from server.model.ids import NodeId, RaftEpoch
from server.raft.effects import AppendControl, Effect, Follow, Lead, Persist, Send
from server.raft.leader import Books
from server.raft.log import LogView
from server.raft.roles import Ballot, Candidate, Follower, Leader, Prospective, Resigned, Role, Unattached
from server.raft.rpc import Request
from server.raft.settings import Settings
from server.raft.state import ElectionState
from server.raft.voters import Endpoint, Peer, ReplicaKey, VoterHistory, VoterSet, may_be
from server.records.control import Control, KRaftVersion, LeaderChange, VoterId


class Replica:
    def __init__(
        self,
        me: ReplicaKey,
        state: ElectionState,
        log: LogView,
        history: VoterHistory,
        *,
        settings: Settings,
        jitter: Callable[[int], int],
        bootstrap: Sequence[Peer],
        endpoints: tuple[Endpoint, ...],
    ) -> None:
        self.me, self.state, self.log, self.history = me, state, log, history
        self.settings, self.jitter, self.bootstrap, self.endpoints = settings, jitter, tuple(bootstrap), endpoints
        self.role: Role = Unattached(None)
        self.now_ms = 0
        self.stopping = False
        self.out: list[Effect] = []
        self.left_leadership: Callable[[], None] = lambda: None
        self.entered: Callable[[], None] = lambda: None

    @property
    def epoch(self) -> RaftEpoch:
        return self.state.epoch

    @property
    def voters(self) -> VoterSet:
        return self.history.latest

    @property
    def is_voter(self) -> bool:
        return self.me in self.voters

    @property
    def stands(self) -> bool:
        """Whether this node stands for election: it votes, or may yet be needed by those who have not heard that it
        does not. A leader that removed itself can have the only log that can win. (Ongaro's dissertation, 4.2.2.)"""
        return self.history.may_hold(self.me, self.log.high_watermark)

    @property
    def leader_id(self) -> NodeId | None:
        """The leader of the epoch, to be told to others. A leader that resigned is none."""
        return None if isinstance(self.role, Resigned) else self.state.leader_id

    @property
    def leader_peer(self) -> Peer | None:
        """Where the leader listens, if known."""
        if isinstance(self.role, Follower):
            return self.role.leader
        if isinstance(self.role, Leader):
            for endpoint in self.endpoints:
                return Peer(self.me.id, endpoint.host, endpoint.port)
        return None if self.leader_id is None else self.voter_peer(self.leader_id)

    def voter_peer(self, node: NodeId) -> Peer | None:
        voter = self.voters.get(node)
        return None if voter is None else voter.peer(self.settings.listener)

    def is_addressed(self, key: ReplicaKey | None) -> bool:
        """True unless a request is meant for another node, or for another disk of this one."""
        return key is None or may_be(key, self.me)

    def emit(self, effect: Effect) -> None:
        self.out.append(effect)

    def send(self, peer: Peer, request: Request) -> None:
        self.out.append(Send(peer, request))

    def election_timeout_ms(self) -> int:
        """When an election times out that begins now: twice the least at most, and never the same for all."""
        return self.now_ms + self.settings.election_timeout_ms + self.jitter(self.settings.election_timeout_ms)

    # The ways from role to role.

    def start(self) -> None:
        """Take up what was persisted."""
        last = self.log.last.epoch
        if last > self.epoch:  # quorum-state is older than the log: the file was lost
            self._save(ElectionState(last))
        leader = self.state.leader_id
        if leader == self.me.id:
            self.role = Resigned(self.election_timeout_ms(), self._others(), dict.fromkeys(self._peers(), self.now_ms))
        elif leader is not None:
            self.role = Follower(leader, self.voter_peer(leader), self.now_ms + self.settings.fetch_timeout_ms)
        else:  # whoever knows no leader asks around soon: a pre-vote disturbs nobody who has one
            soon = self.now_ms + self.settings.retry_backoff_ms + self.jitter(self.settings.election_timeout_ms // 8)
            self.role = Unattached(soon if self.stands else None)
        if self.is_voter and len(self.voters) == 1:
            self.to_prospective()
        else:
            self.emit(Follow(self.leader_id, self.epoch))
            self.entered()

    def to_unattached(self, epoch: RaftEpoch, voted: ReplicaKey | None = None, *, patient: bool = False) -> None:
        """Know no leader of `epoch`; in this epoch, keep the vote, or give it to `voted`.

        patient   wait for a whole election time-out; else for the rest of the one that runs, lest a voter that cannot
                  win, but raises the epoch, keeps the others from standing
        """
        assert epoch >= self.epoch
        if epoch == self.epoch:
            assert self.state.leader_id is None
            assert voted is None or self.state.voted in (None, voted)
            voted = voted or self.state.voted
        deadline = None
        if self.stands:
            running = None if patient or isinstance(self.role, Leader | Resigned) else self.role.deadline_ms
            deadline = self.election_timeout_ms() if running is None else running
        self._enter(Unattached(deadline), ElectionState(epoch, None, voted))

    def to_follower(self, epoch: RaftEpoch, leader_id: NodeId, leader: Peer | None) -> None:
        assert epoch >= self.epoch
        assert leader_id != self.me.id
        voted = self.state.voted if epoch == self.epoch else None
        deadline = self.now_ms + self.settings.fetch_timeout_ms
        peer = leader or self.voter_peer(leader_id)
        self._enter(Follower(leader_id, peer, deadline), ElectionState(epoch, leader_id, voted))

    def to_prospective(self) -> None:
        assert self.stands
        role = Prospective(self.election_timeout_ms(), self._ballot())
        self._enter(role, self.state)
        if self.has_won(role.ballot):
            self.to_candidate()

    def to_candidate(self) -> None:
        assert self.stands
        role = Candidate(self.election_timeout_ms(), self._ballot())
        self._enter(role, ElectionState(RaftEpoch(self.epoch + 1), None, self.me))
        if self.has_won(role.ballot):
            self.to_leader()

    def has_won(self, ballot: Ballot) -> bool:
        return len(ballot.granted & self.voters.ids) >= self.voters.majority

    def to_leader(self) -> None:
        assert isinstance(self.role, Candidate)
        granting = sorted(self.role.ballot.granted)
        start = self.log.end_offset
        role = Leader(Books(self.me, self.epoch, start, self.settings, self.now_ms))
        self.state = ElectionState(self.epoch, self.me.id, None)
        self.role = role
        self.emit(Persist(self.state))
        self.emit(Lead(self.epoch, start))
        self.append_control(*self._first_records(granting))
        self.entered()

    def to_resigned(self) -> None:
        """Stop leading, and name successors."""
        assert isinstance(self.role, Leader)
        successors = self.role.books.successors(self.voters)
        self._enter(
            Resigned(self.election_timeout_ms(), successors, dict.fromkeys(self._peers(), self.now_ms)), self.state
        )

    def learn(self, epoch: RaftEpoch, leader_id: NodeId | None, leader: Peer | None) -> bool:
        """Take in what another node says of the quorum. True: it speaks of this node's epoch."""
        if epoch > self.epoch:
            if leader_id is not None and leader_id != self.me.id:
                self.to_follower(epoch, leader_id, leader)
            else:
                self.to_unattached(epoch)
        elif epoch == self.epoch and leader_id is not None and self.state.leader_id is None:
            if leader_id != self.me.id:
                self.to_follower(epoch, leader_id, leader)
        elif epoch == self.epoch and isinstance(self.role, Follower) and leader_id == self.role.leader_id:
            self.role.leader = leader or self.role.leader
        return epoch == self.epoch

    def append_control(self, *controls: Control) -> int:
        """Append one control batch as the leader; return its base offset."""
        base = self.log.end_offset
        self.emit(AppendControl(controls, base, self.epoch))
        self.log.led(base + len(controls), self.epoch)
        for offset, record in enumerate(controls, base):
            self.history.add(offset, record)
        return base

    def _enter(self, role: Role, state: ElectionState) -> None:
        led = isinstance(self.role, Leader)
        told = (self.leader_id, self.epoch)
        self.role = role
        self._save(state)
        if led:
            self.left_leadership()
        if led or (self.leader_id, self.epoch) != told:
            self.emit(Follow(self.leader_id, self.epoch))
        self.entered()

    def _save(self, state: ElectionState) -> None:
        if state != self.state:
            self.state = state
            self.emit(Persist(state))

    def _ballot(self) -> Ballot:
        """Begin with the own vote; all others are to be asked now."""
        return Ballot({self.me.id}, set(), dict.fromkeys(self._peers(), self.now_ms))

    def _peers(self) -> tuple[NodeId, ...]:
        return tuple(sorted(self.voters.ids - {self.me.id}))

    def _others(self) -> tuple[ReplicaKey, ...]:
        return tuple(voter.key for voter in self.voters.voters if voter.key.id != self.me.id)

    def _first_records(self, granting: Sequence[NodeId]) -> tuple[Control, ...]:
        """The records that open an epoch. Voters that only stand in a bootstrap snapshot are brought into the log."""
        # Kafka writes version 0 at every kraft.version, without directories, and reads nothing else.
        ids = {voter.key.id: VoterId(voter.key.id) for voter in self.voters.voters}
        change = LeaderChange(self.me.id, tuple(ids.values()), tuple(ids[n] for n in granting if n in ids))
        if self.history.kraft_version and self.history.latest_offset < 0:
            return (change, KRaftVersion(self.history.kraft_version), self.voters.record())
        return (change,)
