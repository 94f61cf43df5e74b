"""Fetch (key 1): give whole record batches of each wanted partition, from an offset on.

A consumer sees what is committed (up to the HW; read_committed: up to the LSO, with the list of aborted transactions),
a follower all there is, and by asking says what it holds. What has come is given at once if it makes min_bytes, or if
there is something else to tell, as a follower's outdated high watermark; else one wait over all partitions, ended by
what comes there or by max_wait_ms.

A consumer that names its rack may be told a nearer replica, and gets no records then; a follower serves consumers up to
the high watermark that it knows, and waits with them for more. What lies behind that it cannot tell from what was never
written: OFFSET_OUT_OF_RANGE beyond its log's end sends the consumer back to the leader.

The first partition that has anything gives a batch even if that is larger than every limit.
Errors: FENCED_LEADER_EPOCH, FETCH_SESSION_ID_NOT_FOUND, FETCH_SESSION_TOPIC_ID_ERROR, INVALID_FETCH_SESSION_EPOCH,
KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE, UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_ID,
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-74 (limits), KIP-98 (isolation), KIP-227 (sessions), KIP-320 (epochs), KIP-516 (v13), KIP-595 (diverging
epochs), KIP-392 (v11), KIP-951 (v16).
"""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from uuid import UUID

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.leaders import end_points, leader_to_tell
from server.broker.partition import Partition
from server.broker.waiters import Poll
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NO_LEADER, NodeId
from server.replication.sessions import Plan, Tracked
from server.wire.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
)

RESPONSE_BYTES = 16 * 1024 * 1024  # held for one client at a time; more than this, it gets with its next request
FIRST_RACK_VERSION, FIRST_ID_VERSION, FIRST_STATE_VERSION = 11, 13, 15
READ_COMMITTED = 1
CONSUMER = -1
Follower = tuple[NodeId, int, bool]  # its node, its broker epoch, whether it may be in sync


@dataclass(slots=True)
class Reading:
    """One look at all partitions of a plan: a row for each."""

    rows: list[PartitionData] = field(default_factory=list)
    partitions: list[Partition] = field(default_factory=list)  # those that may have more later
    size: int = 0
    must_answer: bool = False


def handle(broker: Broker, ctx: Context, request: FetchRequest) -> FetchResponse | Awaitable[FetchResponse]:
    by_id = ctx.api_version >= FIRST_ID_VERSION
    broker_epoch = -1
    if ctx.api_version >= FIRST_STATE_VERSION:
        request.replica_id, broker_epoch = request.replica_state.replica_id, request.replica_state.replica_epoch
    follows, replica = request.replica_id >= 0, NodeId(request.replica_id)
    tells = (replica, broker_epoch, broker.may_join_isr(replica, broker_epoch)) if follows else None
    anywhere = request.replica_id == CONSUMER and ctx.api_version >= FIRST_RACK_VERSION
    now_ms = broker.clock.now_ms()
    plan = broker.sessions.plan(request, by_id=by_id, is_follower=follows, now_ms=now_ms, draw=broker.rng.below)
    limit = min(request.max_bytes, broker.config.number("fetch.max.bytes"), RESPONSE_BYTES)
    reading = _read(broker, request, plan, limit, by_id=by_id, tells=tells, anywhere=anywhere)
    missing = min(request.min_bytes, limit) - reading.size
    if missing <= 0 or reading.must_answer or request.max_wait_ms <= 0 or not plan.partitions:
        return _response(broker, ctx, plan, reading, by_id)
    poll = Poll(reading.partitions, missing, request.max_wait_ms, follows=follows)
    return _wait(broker, ctx, request, plan, limit, poll, now_ms + request.max_wait_ms, anywhere=anywhere)


async def _wait(
    broker: Broker,
    ctx: Context,
    request: FetchRequest,
    plan: Plan,
    limit: int,
    poll: Poll,
    deadline_ms: int,
    *,
    anywhere: bool,
) -> FetchResponse:
    by_id = ctx.api_version >= FIRST_ID_VERSION
    while True:
        look_again = await poll.wait()
        reading = _read(broker, request, plan, limit, by_id=by_id, tells=None, anywhere=anywhere)
        missing = min(request.min_bytes, limit) - reading.size
        wait_ms = deadline_ms - broker.clock.now_ms()
        if missing <= 0 or reading.must_answer or not look_again or wait_ms <= 0:
            return _response(broker, ctx, plan, reading, by_id)
        poll = Poll(reading.partitions, missing, wait_ms, follows=request.replica_id >= 0)


def _read(
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
    for tracked in plan.partitions:
        topic = tracked.topic_id if by_id else tracked.topic
        try:
            partition = broker.partition(topic, tracked.want.partition)
            row = _elsewhere(broker, partition, request.rack_id, tracked) if anywhere and request.rack_id else None
            if row is None:
                first, left = reading.size == 0, limit - reading.size
                row = read_one(partition, request, tracked, left, first, tells, anywhere=anywhere)
            reading.partitions.append(partition)
            reading.size += len(row.records or b"")
            reading.must_answer |= row.diverging_epoch.end_offset >= 0 or row.preferred_read_replica >= 0
            reading.must_answer |= tells is not None and tracked.lags(row)
        except Rejected as e:
            row = PartitionData(tracked.want.partition, e.code, -1, aborted_transactions=None, records=b"")
            leader = leader_to_tell(broker, topic, tracked.want.partition, e.code)
            if leader is not None:
                row.current_leader = LeaderIdAndEpoch(*leader)
            reading.must_answer = True
        reading.rows.append(row)
    return reading


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


def _response(broker: Broker, ctx: Context, plan: Plan, reading: Reading, by_id: bool) -> FetchResponse:
    topics: dict[str | UUID, FetchableTopicResponse] = {}
    rows: dict[str | UUID, list[PartitionData]] = {}
    kept = plan.changed(reading.rows)
    for tracked, row in kept:
        topic = tracked.topic_id if by_id else tracked.topic
        if topic not in topics:
            rows[topic] = []
            topics[topic] = FetchableTopicResponse(tracked.topic, tracked.topic_id, rows[topic])
        rows[topic].append(row)
    leaders = {row.current_leader.leader_id for _, row in kept} - {NO_LEADER}
    return FetchResponse(
        session_id=plan.session_id,
        responses=list(topics.values()),
        node_endpoints=[NodeEndpoint(*each) for each in end_points(broker, ctx.listener, leaders)],
    )
