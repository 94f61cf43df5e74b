"""The leader's books of one epoch: how far each replica is, what that commits, who is still there, who waits.

Pure bookkeeping: `Quorum` decides what to do about it. Source: KIP-595 (high watermark), KIP-853 (a leader outside the
voter set counts without itself), KAFKA-15489 (check quorum).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from server.model.ids import NodeId, RaftEpoch
from server.raft.events import Token
from server.raft.rpc import FetchRequest, ReplicaProgress
from server.raft.settings import Settings
from server.raft.voters import ReplicaKey, Voter, VoterSet, may_be

OBSERVER_SESSION_MS = 300_000  # an observer that has not fetched for so long is forgotten
MAX_OBSERVERS = 10_000
MAX_PARKED = 10_000


@dataclass(slots=True)
class _Progress:
    """One replica. `offset` -1: it has not fetched in this epoch. `key` is as the replica itself says."""

    key: ReplicaKey
    offset: int = -1
    end_at_fetch: int = -1
    fetched_ms: int | None = None
    caught_up_ms: int | None = None
    active_ms: int = 0
    begin_due_ms: int = 0


@dataclass(frozen=True, slots=True)
class Parked:
    """A fetch that waits for something to tell."""

    request: FetchRequest
    deadline_ms: int


class Books:
    def __init__(self, me: ReplicaKey, epoch: RaftEpoch, start_offset: int, settings: Settings, now_ms: int) -> None:
        self.me, self.epoch, self.start_offset = me, epoch, start_offset
        self.parked: dict[Token, Parked] = {}
        self._settings, self._since_ms = settings, now_ms
        self._voters: dict[NodeId, _Progress] = {}
        self._observers: dict[ReplicaKey, _Progress] = {}

    def others(self, voters: VoterSet) -> Iterator[tuple[Voter, _Progress]]:
        """Every voter but this node, with its books; opened where they are missing."""
        for voter in voters.voters:
            if voter.key.id != self.me.id:
                yield voter, self._voter(voter)

    def _voter(self, voter: Voter) -> _Progress:
        found = self._voters.get(voter.key.id)
        if found is None:
            found = self._observers.pop(voter.key, None) or _Progress(voter.key)
            found.active_ms = max(found.active_ms, self._since_ms)
            self._voters[voter.key.id] = found
        return found

    def voters_changed(self, voters: VoterSet) -> None:
        """Make observers of those who vote no longer."""
        for books in [books for books in self._voters.values() if books.key not in voters]:
            del self._voters[books.key.id]
            self._observers[books.key] = books

    def _of(self, replica: ReplicaKey, voters: VoterSet, now_ms: int) -> _Progress | None:
        voter = voters.get(replica.id)
        if voter is not None and replica in voters:
            books = self._voter(voter)
            if not self._is_twin(books, replica, now_ms):
                return books
        if replica not in self._observers:
            self._forget_observers(now_ms)
            if len(self._observers) >= MAX_OBSERVERS:
                return None
            self._observers[replica] = _Progress(replica)
        return self._observers[replica]

    def _is_twin(self, books: _Progress, replica: ReplicaKey, now_ms: int) -> bool:
        """Whether this is a second node with the id of a voter that is there, on another disk.

        Configured voters have no directory ids; whoever came first is the voter, until it has been silent for so long
        that it would not be missed. The other one may read, as an observer: what it holds, the voter may not.
        """
        if may_be(books.key, replica) or books.fetched_ms is None:
            return False
        return now_ms - books.active_ms <= self._settings.check_quorum_timeout_ms

    def _forget_observers(self, now_ms: int) -> None:
        gone = [key for key, o in self._observers.items() if now_ms - o.active_ms > OBSERVER_SESSION_MS]
        for key in gone:
            del self._observers[key]

    def active(self, replica: ReplicaKey, voters: VoterSet, now_ms: int) -> None:
        """A replica asked something in this epoch: it is alive and knows its leader."""
        if replica.id < 0 or replica.id == self.me.id:
            return
        books = self._of(replica, voters, now_ms)
        if books is not None:
            books.active_ms, books.key = now_ms, replica
            books.begin_due_ms = now_ms + self._settings.begin_epoch_timeout_ms

    def fetched(self, replica: ReplicaKey, voters: VoterSet, offset: int, end_offset: int, now_ms: int) -> None:
        """A replica holds everything below `offset`, durably; the leader's log ends at `end_offset`."""
        if replica.id < 0 or replica.id == self.me.id:
            return
        books = self._of(replica, voters, now_ms)
        if books is None:
            return
        if offset >= end_offset:
            books.caught_up_ms = now_ms
        elif books.fetched_ms is not None and offset >= books.end_at_fetch:
            books.caught_up_ms = max(books.caught_up_ms or 0, books.fetched_ms)
        books.offset, books.fetched_ms, books.end_at_fetch = offset, now_ms, end_offset

    def committed(self, voters: VoterSet, flushed: int) -> int:
        """The offset below which a majority holds everything; -1 while nothing of this epoch is among it.

        Entries of older epochs are not committed by counting them: another leader may still replace them. They are
        once an entry of this epoch behind them is (Raft, section 5.4.2).
        """
        held = [books.offset for _, books in self.others(voters)]
        if self.me in voters:
            held.append(flushed)
        offset = sorted(held, reverse=True)[voters.majority - 1]
        return offset if offset > self.start_offset else -1

    def abandoned_ms(self, voters: VoterSet) -> int | None:
        """When to resign for want of a majority that fetches; None: this node is a majority alone."""
        needed = voters.majority - (self.me in voters)
        if needed <= 0:
            return None
        times = sorted((books.active_ms for _, books in self.others(voters)), reverse=True)
        return times[needed - 1] + self._settings.check_quorum_timeout_ms

    def successors(self, voters: VoterSet) -> tuple[ReplicaKey, ...]:
        """The other voters, the most advanced first."""
        ranked = sorted(self.others(voters), key=lambda pair: (-pair[1].offset, pair[0].key.id))
        return tuple(voter.key for voter, _ in ranked)

    def is_caught_up(self, replica: ReplicaKey, end_offset: int, now_ms: int) -> bool:
        """True if an observer has everything, or had when it last asked: it would not hold up the majority."""
        books = self._observers.get(replica)
        if books is None or books.caught_up_ms is None:
            return False
        return books.offset >= end_offset or now_ms - books.caught_up_ms <= self._settings.fetch_timeout_ms

    def observed(self, replica: ReplicaKey) -> bool:
        return replica in self._observers

    def progress(
        self, voters: VoterSet, end_offset: int, now_ms: int
    ) -> tuple[tuple[ReplicaProgress, ...], tuple[ReplicaProgress, ...]]:
        """Voters and observers, by id, for DescribeQuorum."""
        me = ReplicaProgress(self.me.id, self.me.directory_id, end_offset, now_ms, now_ms)
        rows = [_row(books) for _, books in self.others(voters)]
        if self.me in voters:
            rows.append(me)
        self._forget_observers(now_ms)
        observers = [_row(books) for key, books in self._observers.items() if key not in voters]
        if self.me not in voters:
            observers.append(me)
        return tuple(sorted(rows)), tuple(sorted(observers))


def _row(books: _Progress) -> ReplicaProgress:
    return ReplicaProgress(*books.key, books.offset, books.fetched_ms, books.caught_up_ms)
