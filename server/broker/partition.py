"""One partition on this broker: its log, the core that leads or follows it, and those who wait for it.

The shell around `replication.leader` and `replication.follower`: it appends, tells the core, and does what the core's
effects say. A replica that this node follows is fed by a fetcher; consumers may read it, all else is the leader's.

Appends come in two steps, so that the requests of one read share a write: `stage` checks and takes a batch, `write`
writes all that is staged and moves the high watermark. Nothing awaits between the two.

Every method that serves a client raises Rejected: KAFKA_STORAGE_ERROR (the log failed), FENCED_LEADER_EPOCH and
UNKNOWN_LEADER_EPOCH (the client knows less, or more, than we), NOT_LEADER_OR_FOLLOWER.

Source: KIP-101, KIP-279, KIP-320 (epochs), KIP-392, KIP-497, KIP-966.
"""

from collections.abc import Callable
from typing import assert_never
from uuid import UUID

from server.broker.waiters import Commits, Poll
from server.broker.writes import Writes
from server.log.log import Appended, Log, Origin, Slice, StorageFailed
from server.metadata.image import RECOVERING
from server.metadata.image import Partition as Registration
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NO_LEADER, LeaderEpoch, NodeId
from server.ports import Buffer, Clock
from server.replication import follower, leader
from server.replication.follower import (
    Append,
    BackOff,
    Locate,
    LogStartAdvanced,
    PartitionFollower,
    Position,
    StartAt,
    Truncate,
)
from server.replication.leader import HwAdvanced, PartitionLeader, ProposeIsr
from server.wire.messages.fetch import PartitionData

ANY_EPOCH = -1
NO_EPOCH = LeaderEpoch(-1)
TO_HW = -1  # DeleteRecords: all that is committed


class Partition:
    """Made when this broker gets a replica, and told its role by `become`.

    propose     sends AlterPartition; the answer comes as metadata, through `become`, or to `leader.proposal_refused`
    failed      is told when the log fails; the broker takes the directory offline
    alive       whether a replica's broker is up; those that are not need not delete what is to be deleted
    """

    def __init__(
        self,
        topic: str,
        topic_id: UUID,
        index: int,
        log: Log,
        clock: Clock,
        writes: Writes,
        *,
        propose: "Callable[[Partition, ProposeIsr], None]",
        failed: "Callable[[Partition, StorageFailed], None]" = lambda partition, error: None,
        alive: Callable[[NodeId], bool] = lambda node: True,
        hw: int | None = None,
    ) -> None:
        """hw: default what the log's checkpoint says."""
        self.topic, self.topic_id, self.index, self.log = topic, topic_id, index, log
        self.leader: PartitionLeader | None = None
        self.follower: PartitionFollower | None = None
        self.leader_id, self.leader_epoch, self.partition_epoch = NO_LEADER, NO_EPOCH, -1
        self.in_sync = False  # as the metadata knows it
        self.polls: dict[Poll, None] = {}
        self.commits = Commits()
        self.starts = Commits()  # who waits for the log start of all replicas
        self._clock, self._writes, self._propose, self._failed = clock, writes, propose, failed
        self._alive = alive
        self._hw = min(max(log.hw if hw is None else hw, log.log_start_offset), log.leo)
        self._staged_bytes = self._uncommitted_bytes = 0
        self._touched = False

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"

    @property
    def hw(self) -> int:
        core = self.leader or self.follower
        return self._hw if core is None else core.hw

    @property
    def leo(self) -> int:
        """The end of what is written; what is staged does not count."""
        return self.log.leo if self.leader is None else self.leader.leo

    @property
    def lso(self) -> int:
        return min(self.log.lso(self.hw), self.hw)

    @property
    def log_start_offset(self) -> int:
        return self.log.log_start_offset

    # roles

    def become(self, registration: Registration, node: NodeId, min_isr: int, max_lag_ms: int) -> None:
        """Take the role that the metadata gives to `node`; what is older than what we know is ignored."""
        if registration.partition_epoch < self.partition_epoch or registration.leader_epoch < self.leader_epoch:
            return
        elected = registration.leader_epoch > self.leader_epoch
        if registration.leader != node:
            if elected or self.follower is None:
                self._follow(registration)
        elif elected or self.leader is None:
            self._lead(registration, node, min_isr, max_lag_ms)
        else:
            self.leader.max_lag_ms = max_lag_ms
            self._registered(self.leader, registration, min_isr)
        self.leader_id, self.leader_epoch = registration.leader, registration.leader_epoch
        self.in_sync = node in registration.isr
        self.partition_epoch = registration.partition_epoch

    def _lead(self, registration: Registration, node: NodeId, min_isr: int, max_lag_ms: int) -> None:
        self._step_down()
        leo = self.log.leo
        self.log.epochs.assign(registration.leader_epoch, leo)
        self.leader = PartitionLeader(
            node,
            registration.leader_epoch,
            registration.replicas,
            frozenset(registration.isr),
            leo=leo,
            hw=self._hw,
            partition_epoch=registration.partition_epoch,
            min_isr=min_isr,
            max_lag_ms=max_lag_ms,
            now_ms=self._clock.now_ms(),
        )
        self._perform(self.leader.appended(leo))
        if registration.leader_recovery_state == RECOVERING:
            self._perform(self.leader.recovering())

    def _registered(self, leader: PartitionLeader, registration: Registration, min_isr: int) -> None:
        isr, epoch = frozenset(registration.isr), registration.partition_epoch
        effects = leader.registered(registration.replicas, isr, epoch, self._clock.now_ms())
        self._perform(effects + leader.min_isr_set(min_isr))

    def _follow(self, registration: Registration) -> None:
        """Take nothing from anybody, and what the leader has; without a leader, wait for one."""
        self._step_down()
        if registration.leader != NO_LEADER:
            # An epoch that this node led without a record would make the log look as if it were of that epoch.
            self.log.epochs.truncate_end(self.log.leo)
            self.follower = PartitionFollower(registration.leader_epoch, self.log, self._hw)

    def _step_down(self) -> None:
        self._hw = self.hw
        self.leader = self.follower = None
        self.leader_epoch = NO_EPOCH
        self._look_again()

    def goes_on_in(self, log: Log) -> None:
        """Its log has moved to another directory: this one has all that the former one had, and takes its place."""
        hw = self.hw
        assert log.leo >= hw
        self.log, log.hw = log, hw
        if self.leader is not None:
            log.epochs.assign(self.leader.epoch, self.leader.epoch_start)  # it may have no record yet
        elif self.follower is not None:
            self.follower = PartitionFollower(self.follower.epoch, log, hw)

    def close(self) -> None:
        """Stop serving: the replica is gone, or the node stops. The log is its owner's to close."""
        self._step_down()

    def _look_again(self) -> None:
        self.commits.given_up()
        self.starts.given_up()
        for poll in list(self.polls):
            poll.changed()

    def leading(self, current_leader_epoch: int = ANY_EPOCH) -> PartitionLeader:
        """The core, if this node leads in just the epoch that the client knows."""
        self._check(current_leader_epoch)
        if self.leader is None:
            raise Rejected(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        return self.leader

    def serving(self, current_leader_epoch: int = ANY_EPOCH) -> PartitionLeader | None:
        """The core, if this node leads; None: it follows, and a consumer may read here all the same (KIP-392)."""
        self._check(current_leader_epoch)
        if self.leader is None and self.follower is None:
            raise Rejected(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        return self.leader

    def _check(self, current_leader_epoch: int) -> None:
        if self.log.failed:
            raise Rejected(ErrorCode.KAFKA_STORAGE_ERROR)
        if current_leader_epoch != ANY_EPOCH and current_leader_epoch != self.leader_epoch:
            older = current_leader_epoch < self.leader_epoch
            raise Rejected(ErrorCode.FENCED_LEADER_EPOCH if older else ErrorCode.UNKNOWN_LEADER_EPOCH)

    # appends

    def stage(self, data: Buffer, *, all_replicas: bool, origin: Origin, zstd: bool = True) -> Appended:
        """Check and take a batch; it is in the log after the next `write`, and till then a writable buffer must stay.

        zstd    whether the client's version of Produce knows that compression
        raises  Rejected also with what is wrong with the batch, and NOT_ENOUGH_REPLICAS
        """
        leader = self.leading()
        if all_replicas and leader.below_min_isr:
            raise Rejected(ErrorCode.NOT_ENOUGH_REPLICAS)
        appended = self.log.stage(data, leader.epoch, self._clock.timestamp_ms(), origin=origin, zstd=zstd)
        self._staged_bytes += len(data)
        if not self._touched:
            self._touched = True
            self._writes.touch(self)
        return appended

    def write(self) -> None:
        """Write what is staged. A failure fails the log: those who staged find `log.failed`."""
        size, self._staged_bytes, self._touched = self._staged_bytes, 0, False
        try:
            self.log.write()
        except StorageFailed as e:
            self._look_again()
            self._failed(self, e)
            return
        assert self.leader is not None, "a role changed between stage and write"
        self._uncommitted_bytes += size
        if self.polls:
            for poll in [p for p in self.polls if p.follows]:
                poll.grew(size)
        self._perform(self.leader.appended(self.log.leo))

    def append(self, data: Buffer, *, all_replicas: bool, origin: Origin) -> Appended:
        """Stage and write at once, for coordinators. Raises Rejected also when the write failed."""
        appended = self.stage(data, all_replicas=all_replicas, origin=origin)
        self._writes.flush()
        self.leading()
        return appended

    # replication, the leader's side

    def fetched(
        self, replica: NodeId, offset: int, log_start_offset: int = -1, broker_epoch: int = -1, *, eligible: bool = True
    ) -> None:
        """A follower holds every record in [log_start_offset, offset)."""
        effects = self.leading().fetched(
            replica,
            offset,
            self._clock.now_ms(),
            log_start_offset=log_start_offset,
            broker_epoch=broker_epoch,
            eligible=eligible,
        )
        self._perform(effects)
        if self.starts:
            self.starts.committed(self.low_watermark)

    def tick(self, now_ms: int) -> None:
        if self.leader is not None:
            self._perform(self.leader.ticked(now_ms))
            if self.starts:  # a broker may be away since
                self.starts.committed(self.low_watermark)

    def altered(self, isr: frozenset[NodeId], partition_epoch: int) -> None:
        """The controller answered that it committed this ISR; the metadata will say the same."""
        if self.leader is not None:
            replicas = (self.leader.node, *self.leader.log_starts)
            self._perform(self.leader.registered(replicas, isr, partition_epoch, self._clock.now_ms()))

    def proposal_refused(self) -> None:
        if self.leader is not None:
            self._perform(self.leader.proposal_refused())

    def _perform(self, effects: tuple[leader.Effect, ...]) -> None:
        for effect in effects:
            if type(effect) is HwAdvanced:
                self._committed(effect.hw)
            elif type(effect) is ProposeIsr:
                self._propose(self, effect)

    # replication, the follower's side

    def answered(self, asked: Position, row: PartitionData) -> Locate | BackOff | None:
        """Do what the leader's answer says; what is left is for the fetcher to do.

        Raises Rejected: what came cannot be appended; StorageFailed.
        """
        return None if self.follower is None else self._obey(self.follower, self.follower.answered(asked, row))

    def located(self, asked: Position, log_start_offset: int, end_offset: int) -> Locate | BackOff | None:
        if self.follower is None:
            return None
        return self._obey(self.follower, self.follower.located(asked, log_start_offset, end_offset))

    def _obey(self, core: PartitionFollower, effects: tuple[follower.Effect, ...]) -> Locate | BackOff | None:
        for effect in effects:
            match effect:
                case Append(records):
                    self.log.append_as_follower(records, self._clock.timestamp_ms())
                    self._uncommitted_bytes += len(records)
                    self._obey(core, core.appended())
                case HwAdvanced(hw):
                    self._committed(hw)
                case LogStartAdvanced(offset):
                    self.log.advance_log_start(offset)
                case Truncate(offset):
                    self.log.truncate_to(offset)
                    core.truncated()
                case StartAt(offset):
                    self.log.truncate_fully_and_start_at(offset, self._clock.timestamp_ms())
                    core.truncated()
                case Locate() | BackOff():
                    return effect
                case _:
                    assert_never(effect)
        return None

    def _committed(self, hw: int) -> None:
        size, self._uncommitted_bytes = self._uncommitted_bytes, 0
        self.log.hw = hw
        if self.commits:
            self.commits.committed(hw)
        ended = self.log.producers.committed(hw)  # what waits for the end of a transaction may read it as a whole
        if self.polls:
            for poll in [p for p in self.polls if not p.follows]:
                poll.changed() if ended else poll.grew(size)

    # reads

    def read(self, offset: int, max_bytes: int, end_offset: int, *, minimum_one: bool) -> Slice:
        """Whole batches from `offset` up to `end_offset`; nothing when the offset lies between that and LEO.

        Raises Rejected(OFFSET_OUT_OF_RANGE): below log start or above LEO.
        """
        return self.log.read(offset, max_bytes, end_offset, minimum_one=minimum_one)

    @property
    def low_watermark(self) -> int:
        """The offset that no replica on a live broker holds anything below, as far as the leader knows."""
        followers = {} if self.leader is None else self.leader.log_starts
        return min([self.log.log_start_offset, *(start for node, start in followers.items() if self._alive(node))])

    def delete_records(self, offset: int) -> int:
        """Move the log start to `offset`, or to HW for -1; the offset that the low watermark must come to.

        Raises Rejected(OFFSET_OUT_OF_RANGE): above HW, or negative; POLICY_VIOLATION: the topic is only compacted.
        """
        leader = self.leading()
        if "delete" not in self.log.settings.cleanup_policy:
            raise Rejected(ErrorCode.POLICY_VIOLATION)
        offset = leader.hw if offset == TO_HW else offset
        if not 0 <= offset <= leader.hw:
            raise Rejected(ErrorCode.OFFSET_OUT_OF_RANGE)
        if offset > self.log.log_start_offset:
            self.log.advance_log_start(offset)
            for poll in [p for p in self.polls if p.follows]:
                poll.changed()
        return offset
