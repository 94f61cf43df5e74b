"""What a Fetch reads: one look at all its partitions, or at one.

Followers say by a look what they hold. Consumers see what is committed; they may be told of a nearer replica, and may
read from one that follows. What a throttled leader sends to a follower that is not in sync is limited.

Source: KIP-74 (limits), KIP-98 (isolation), KIP-595 (diverging epochs), KIP-392 (nearer replicas),
KIP-73 (throttles).
"""

from dataclasses import dataclass, field

from server.broker.broker import Broker
from server.broker.leaders import leader_to_tell
from server.broker.partition import Partition
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NodeId
from server.replication.sessions import Plan, Tracked
from server.wire.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchRequest,
    LeaderIdAndEpoch,
    PartitionData,
)

READ_COMMITTED = 1
Follower = tuple[NodeId, int, bool]  # its node, its broker epoch, whether it may be in sync


@dataclass(slots=True)
class Reading:
    """One look at all partitions of a plan: a row for each."""

    rows: list[PartitionData | None] = field(default_factory=list)  # None: nothing that was not told before
    partitions: list[Partition] = field(default_factory=list)  # those that may have more later
    size: int = 0
    must_answer: bool = False
    throttled_bytes: int = 0
    held_back: bool = False  # there is more, which the throttle does not let through yet


def read_all(
    broker: Broker,
    request: FetchRequest,
    plan: Plan,
    limit: int,
    *,
    by_id: bool,
    tells: Follower | None,
    anywhere: bool,
) -> Reading:
    """
    tells     who says by this look what it holds; a second look for the same request says nothing more
    anywhere  whether it may read from a follower, and be told of a nearer replica
    """
    reading = Reading()
    remembers = request.replica_id >= 0 and plan.session is not None
    throttle = _LeaderThrottle.of(broker, NodeId(request.replica_id)) if request.replica_id >= 0 else None
    skips, now_ms = remembers and not plan.full, broker.clock.now_ms()
    for tracked in plan.partitions:
        if skips and tracked.looked is not None and _is_idle(tracked, tells, now_ms):
            reading.partitions.append(tracked.looked[0])
            reading.rows.append(None)
            continue
        tracked.looked = None
        topic = tracked.topic_id if by_id else tracked.topic
        try:
            partition = broker.partition(topic, tracked.want.partition)
            row = _elsewhere(broker, partition, request.rack_id, tracked) if anywhere and request.rack_id else None
            if row is None:
                first, left = reading.size == 0, limit - reading.size
                held = throttle is not None and throttle.holds(partition)
                if held and throttle is not None:
                    left = min(left, throttle.allowance - reading.throttled_bytes)
                    first = first and left > 0
                row = read_one(partition, request, tracked, left, first, tells, anywhere=anywhere)
                if held:
                    reading.throttled_bytes += len(row.records or b"")
                    if left <= 0 and tracked.want.fetch_offset < partition.leo:
                        reading.held_back = True
            reading.partitions.append(partition)
            reading.size += len(row.records or b"")
            reading.must_answer |= row.diverging_epoch.end_offset >= 0 or row.preferred_read_replica >= 0
            reading.must_answer |= tells is not None and tracked.lags(row)
            if remembers and row.diverging_epoch.end_offset < 0:
                tracked.looked = partition, partition.leader, tracked.want
        except Rejected as e:
            row = PartitionData(tracked.want.partition, e.code, -1, aborted_transactions=None, records=b"")
            leader = leader_to_tell(broker, topic, tracked.want.partition, e.code)
            if leader is not None:
                row.current_leader = LeaderIdAndEpoch(*leader)
            reading.must_answer = True
        reading.rows.append(row)
    return reading


@dataclass(frozen=True, slots=True)
class _LeaderThrottle:
    """What may be sent to one follower at this moment."""

    broker: Broker
    replica: NodeId
    allowance: int

    @staticmethod
    def of(broker: Broker, replica: NodeId) -> "_LeaderThrottle | None":
        throttles = broker.throttles
        if throttles.leader.unlimited or not throttles.leaders:
            return None
        return _LeaderThrottle(broker, replica, throttles.leader.allowance(broker.clock.now_ms()))

    def holds(self, partition: Partition) -> bool:
        leader = partition.leader
        in_sync = leader is not None and self.replica in leader.maximal_isr
        return not in_sync and self.broker.throttles.holds_sender(partition.topic, partition.index)


def _is_idle(tracked: Tracked, tells: Follower | None, now_ms: int) -> bool:
    """Whether a follower that looked at a partition before wants the same of it, and there is nothing new to tell.

    Short, because a follower asks for thousands of partitions at a time, and most of them are idle.
    """
    partition, leader, want = tracked.looked
    if (
        partition.leader is not leader
        or tracked.want is not want
        or not tracked.heard
        or leader.leo != want.fetch_offset
        or leader.hw != tracked.hw
        or partition.log.log_start_offset != tracked.log_start_offset
        or partition.log.failed
    ):
        return False
    return tells is None or leader.kept_up(tells[0], want.fetch_offset, now_ms, tells[1])


def _elsewhere(broker: Broker, partition: Partition, rack: str, tracked: Tracked) -> PartitionData | None:
    """The answer to a consumer that should rather read from another replica. Raises Rejected."""
    partition.serving(tracked.want.current_leader_epoch)
    nearer = broker.nearer(partition, rack, tracked.want.fetch_offset)
    if nearer is None:
        return None
    row = _row(partition, tracked)
    row.preferred_read_replica = nearer
    return row


def _row(partition: Partition, tracked: Tracked) -> PartitionData:
    row = PartitionData(tracked.want.partition, aborted_transactions=None, records=b"")
    row.high_watermark, row.last_stable_offset = partition.hw, partition.lso
    row.log_start_offset = partition.log_start_offset
    return row


def read_one(
    partition: Partition,
    request: FetchRequest,
    tracked: Tracked,
    limit: int,
    first: bool,
    tells: Follower | None,
    *,
    anywhere: bool = False,
) -> PartitionData:
    want = tracked.want
    leader = partition.serving(want.current_leader_epoch) if anywhere else partition.leading(want.current_leader_epoch)
    if tells is not None and (leader is None or not leader.knows(*tells[:2])):
        raise Rejected(ErrorCode.UNKNOWN_LEADER_EPOCH)  # it may be a replica by metadata that this leader lacks
    row = _row(partition, tracked)
    if want.last_fetched_epoch >= 0:
        epoch, end = partition.log.epochs.end_offset_for(want.last_fetched_epoch)
        if epoch < 0:
            raise Rejected(ErrorCode.OFFSET_OUT_OF_RANGE)
        if epoch < want.last_fetched_epoch or end < want.fetch_offset:
            row.diverging_epoch = EpochEndOffset(epoch, end)
            return row
    committed = request.isolation_level == READ_COMMITTED
    stop = partition.leo if request.replica_id >= 0 else row.last_stable_offset if committed else row.high_watermark
    got = partition.read(want.fetch_offset, max(min(limit, want.partition_max_bytes), 0), stop, minimum_one=first)
    if tells is not None:
        replica, epoch, eligible = tells
        partition.fetched(replica, want.fetch_offset, want.log_start_offset, epoch, eligible=eligible)
        row.high_watermark = partition.hw
    row.records = got.data
    if committed:
        aborted = partition.log.aborted(want.fetch_offset, got.next_offset)
        row.aborted_transactions = [AbortedTransaction(txn.producer_id, txn.first_offset) for txn in aborted]
    return row
