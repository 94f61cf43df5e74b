"""The leader's view of one partition: who is in sync, how much is committed.

Pure. Time arrives as `now_ms` (monotonic), every consequence leaves as an Effect; the shell
(`server/broker/partition.py`) owns the log, the waiters and the network.

LEO is the offset that the next record gets; HW the offset below which every record is committed. The maximal ISR is the
committed ISR plus a replica whose expansion is in flight: the HW waits for it, because the controller may already have
counted it in. The HW stands still while the ISR is smaller than min.insync.replicas, which counts no more replicas than
there are.

A replica may join the ISR once it has all that is committed and all that earlier leaders wrote, if its broker may: it
is neither fenced nor stopping, and it fetches in the registration that the metadata knows. The proposal names that
registration, so that the controller does not take in a broker that has restarted since, perhaps with less.

Source: KIP-101 (epochs), KIP-497 (AlterPartition), KIP-841 (who may join), KIP-903 (broker epochs), KIP-107 (log
starts), KIP-966 (the HW waits for min.insync.replicas), KIP-392 (who can be read from).
"""

from collections.abc import Collection
from dataclasses import dataclass

from server.model.ids import LeaderEpoch, NodeId
from server.replication.replica_selector import Readable


@dataclass(frozen=True, slots=True)
class HwAdvanced:
    """Records below `hw` are committed: complete their produces, wake their fetches."""

    hw: int


@dataclass(frozen=True, slots=True)
class ProposeIsr:
    """Send AlterPartition: the controller decides, and answers through registered() or proposal_refused()."""

    isr: frozenset[NodeId]
    partition_epoch: int


Effect = HwAdvanced | ProposeIsr


@dataclass(slots=True)
class _Follower:
    leo: int = 0
    fetched_ms: int = 0
    leader_leo_at_fetch: int = 0
    caught_up_ms: int = 0
    broker_epoch: int = -1
    log_start_offset: int = -1


class PartitionLeader:
    """One partition led by `node` in `epoch`. Never awaits."""

    def __init__(
        self,
        node: NodeId,
        epoch: LeaderEpoch,
        replicas: Collection[NodeId],
        isr: frozenset[NodeId],
        *,
        leo: int,
        hw: int,
        partition_epoch: int,
        min_isr: int,
        max_lag_ms: int,
        now_ms: int,
    ) -> None:
        assert node in isr
        assert 0 <= hw <= leo
        self.node, self.epoch, self.isr = node, epoch, isr
        self.leo, self.hw, self.partition_epoch = leo, hw, partition_epoch
        self.epoch_start = leo
        self._wanted_min_isr, self.max_lag_ms = min_isr, max_lag_ms
        self._proposed: frozenset[NodeId] | None = None
        self._followers = {r: _Follower(caught_up_ms=now_ms if r in isr else 0) for r in replicas if r != node}

    @property
    def maximal_isr(self) -> frozenset[NodeId]:
        return self.isr | (self._proposed or frozenset())

    @property
    def min_isr(self) -> int:
        """min.insync.replicas, or the number of replicas where that is smaller."""
        return min(self._wanted_min_isr, len(self._followers) + 1)

    @property
    def below_min_isr(self) -> bool:
        return len(self.isr) < self.min_isr

    @property
    def caught_up(self) -> bool:
        """Whether all that earlier leaders committed is known to be committed (KIP-207)."""
        return self.hw >= self.epoch_start

    def appended(self, leo: int) -> tuple[Effect, ...]:
        """The local log now ends at `leo`."""
        assert leo >= self.leo
        self.leo = leo
        return self._advance_hw()

    def fetched(
        self,
        replica: NodeId,
        offset: int,
        now_ms: int,
        *,
        log_start_offset: int = -1,
        broker_epoch: int = -1,
        eligible: bool = True,
    ) -> tuple[Effect, ...]:
        """A follower asks from `offset`: it holds every record below it. Who holds no replica changes nothing.

        broker_epoch  the registration that it fetches in; -1 where it does not say
        eligible      whether the metadata lets its broker be in an ISR
        """
        f = self._followers.get(replica)
        if f is None or not self.knows(replica, broker_epoch):
            return ()
        f.broker_epoch, f.log_start_offset = max(f.broker_epoch, broker_epoch), log_start_offset
        if offset >= self.leo:
            f.caught_up_ms = now_ms
        elif offset >= f.leader_leo_at_fetch:
            f.caught_up_ms = max(f.caught_up_ms, f.fetched_ms)
        f.leo, f.fetched_ms, f.leader_leo_at_fetch = min(offset, self.leo), now_ms, self.leo
        if eligible and replica not in self.maximal_isr and offset >= max(self.hw, self.epoch_start):
            f.caught_up_ms = now_ms  # it joins as one that keeps up, not as one to drop at the next tick
            return self._propose(self.isr | {replica}) + self._advance_hw()
        return self._advance_hw()

    def kept_up(self, replica: NodeId, offset: int, now_ms: int, broker_epoch: int) -> bool:
        """A follower asks from `offset` again, which is the end; False: it takes a whole `fetched` to say what follows.

        Short, because a follower asks so for thousands of idle partitions at a time.
        """
        f = self._followers.get(replica)
        if f is None or f.leo != offset or offset != self.leo or replica not in self.isr:
            return False
        if f.broker_epoch != broker_epoch:
            return False
        f.caught_up_ms = f.fetched_ms = now_ms
        return True

    def ticked(self, now_ms: int) -> tuple[Effect, ...]:
        """Propose to drop followers that have lagged longer than replica.lag.time.max.ms."""
        stuck = {
            r
            for r, f in self._followers.items()
            if r in self.isr and f.leo != self.leo and now_ms - f.caught_up_ms > self.max_lag_ms
        }
        return self._propose(self.isr - stuck) if stuck else ()

    def registered(
        self, replicas: Collection[NodeId], isr: frozenset[NodeId], partition_epoch: int, now_ms: int
    ) -> tuple[Effect, ...]:
        """The controller committed these replicas and this ISR. What is older than what we know is ignored."""
        if partition_epoch <= self.partition_epoch:
            return ()
        known = self._followers
        self._followers = {r: known.get(r) or _Follower(caught_up_ms=now_ms) for r in replicas if r != self.node}
        self.isr, self.partition_epoch, self._proposed = isr, partition_epoch, None
        return self._advance_hw()

    def recovering(self) -> tuple[Effect, ...]:
        """This leader was elected uncleanly: tell the controller that what it has is now what there is (KIP-704)."""
        return self._propose(self.isr)

    def proposal_refused(self) -> tuple[Effect, ...]:
        """The controller certainly did not commit the proposal; an answer that was lost is no refusal."""
        self._proposed = None
        return self._advance_hw()

    def min_isr_set(self, min_isr: int) -> tuple[Effect, ...]:
        self._wanted_min_isr = min_isr
        return self._advance_hw()

    def follower_leo(self, replica: NodeId) -> int | None:
        """Where `replica` stood at its last fetch; None when it holds no replica."""
        follower = self._followers.get(replica)
        return None if follower is None else follower.leo

    def readable(self, offset: int, now_ms: int) -> list[Readable]:
        """The followers in sync whose log has `offset`, or ends there."""
        return [
            Readable(replica, f.leo, now_ms - f.caught_up_ms)
            for replica, f in self._followers.items()
            if replica in self.isr and 0 <= f.log_start_offset <= offset <= f.leo
        ]

    def knows(self, replica: NodeId, broker_epoch: int = -1) -> bool:
        """Whether `replica` holds one, and speaks in the registration of its broker that was last heard of."""
        follower = self._followers.get(replica)
        return follower is not None and (broker_epoch == -1 or broker_epoch >= follower.broker_epoch)

    def broker_epoch(self, replica: NodeId) -> int:
        """The registration in which `replica` fetched last; -1 while it has not."""
        follower = self._followers.get(replica)
        return -1 if follower is None else follower.broker_epoch

    @property
    def log_starts(self) -> dict[NodeId, int]:
        """Where each follower's log begins, as it said at its last fetch; -1 while it has not."""
        return {replica: follower.log_start_offset for replica, follower in self._followers.items()}

    def _propose(self, isr: frozenset[NodeId]) -> tuple[Effect, ...]:
        if self._proposed is not None:  # one proposal in flight at a time
            return ()
        self._proposed = isr
        return (ProposeIsr(isr, self.partition_epoch),)

    def _advance_hw(self) -> tuple[Effect, ...]:
        if self.below_min_isr:
            return ()
        hw = self.leo
        if self._followers:
            hw = min([hw, *(f.leo for r, f in self._followers.items() if r in self.maximal_isr)])
        if hw <= self.hw:
            return ()
        self.hw = hw
        return (HwAdvanced(hw),)
