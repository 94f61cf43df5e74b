"""Fetch (key 1): give whole record batches of each wanted partition, from an offset on.

A consumer sees what is committed (up to the HW; read_committed: up to the LSO, with the list of aborted transactions),
a follower all there is, and by asking says what it holds. What has come is given at once if it makes min_bytes, or if
there is something else to tell, as a follower's outdated high watermark; else one wait over all partitions, ended by
what comes there or by max_wait_ms.

The first partition that has anything gives a batch even if that is larger than every limit.
Errors: FENCED_LEADER_EPOCH, FETCH_SESSION_ID_NOT_FOUND, FETCH_SESSION_TOPIC_ID_ERROR, INVALID_FETCH_SESSION_EPOCH,
KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE, UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_ID,
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-74 (limits), KIP-98 (isolation), KIP-227 (sessions), KIP-320 (epochs), KIP-516 (v13), KIP-595 (diverging
epochs), KIP-951 (v16).
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
FIRST_ID_VERSION, FIRST_STATE_VERSION = 13, 15
READ_COMMITTED = 1
Follower = tuple[NodeId, int, bool]  # its node, its broker epoch, whether it may be in sync


@dataclass(slots=True)
class Reading:
    """One look at all partitions of a plan: a row for each."""

    rows: list[PartitionData | None] = field(default_factory=list)  # None: nothing that was not told before
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
    now_ms = broker.clock.now_ms()
    plan = broker.sessions.plan(request, by_id=by_id, is_follower=follows, now_ms=now_ms, draw=broker.rng.below)
    limit = min(request.max_bytes, broker.config.number("fetch.max.bytes"), RESPONSE_BYTES)
    reading = _read(broker, request, plan, limit, by_id=by_id, tells=tells)
    missing = min(request.min_bytes, limit) - reading.size
    if missing <= 0 or reading.must_answer or request.max_wait_ms <= 0 or not plan.partitions:
        return _response(broker, ctx, plan, reading, by_id)
    poll = Poll(reading.partitions, missing, request.max_wait_ms, follows=follows)
    return _wait(broker, ctx, request, plan, limit, poll, now_ms + request.max_wait_ms)


async def _wait(
    broker: Broker, ctx: Context, request: FetchRequest, plan: Plan, limit: int, poll: Poll, deadline_ms: int
) -> FetchResponse:
    by_id = ctx.api_version >= FIRST_ID_VERSION
    while True:
        look_again = await poll.wait()
        reading = _read(broker, request, plan, limit, by_id=by_id, tells=None)
        missing = min(request.min_bytes, limit) - reading.size
        wait_ms = deadline_ms - broker.clock.now_ms()
        if missing <= 0 or reading.must_answer or not look_again or wait_ms <= 0:
            return _response(broker, ctx, plan, reading, by_id)
        poll = Poll(reading.partitions, missing, wait_ms, follows=request.replica_id >= 0)


def _read(
    broker: Broker, request: FetchRequest, plan: Plan, limit: int, *, by_id: bool, tells: Follower | None
) -> Reading:
    """tells: who says by this look what it holds; a second look for the same request says nothing more."""
    reading = Reading()
    remembers = request.replica_id >= 0 and plan.session is not None
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
            row = read_one(partition, request, tracked, limit - reading.size, reading.size == 0, tells)
            reading.partitions.append(partition)
            reading.size += len(row.records or b"")
            diverged = row.diverging_epoch.end_offset >= 0
            reading.must_answer |= diverged or (tells is not None and tracked.lags(row))
            if remembers and not diverged:
                tracked.looked = partition, partition.leader, tracked.want
        except Rejected as e:
            row = PartitionData(tracked.want.partition, e.code, -1, aborted_transactions=None, records=b"")
            leader = leader_to_tell(broker, topic, tracked.want.partition, e.code)
            if leader is not None:
                row.current_leader = LeaderIdAndEpoch(*leader)
            reading.must_answer = True
        reading.rows.append(row)
    return reading


def _is_idle(tracked: Tracked, tells: Follower | None, now_ms: int) -> bool:
    """Whether a follower that looked at a partition before wants the same of it, and there is nothing new to tell."""
    partition, leader, want = tracked.looked
    if (
        partition.leader is not leader
        or tracked.want is not want
        or leader.leo != want.fetch_offset
        or leader.hw != tracked.hw
        or partition.log.log_start_offset != tracked.log_start_offset
        or partition.log.failed
    ):
        return False
    return tells is None or leader.kept_up(tells[0], want.fetch_offset, now_ms, tells[1])


def read_one(
    partition: Partition, request: FetchRequest, tracked: Tracked, limit: int, first: bool, tells: Follower | None
) -> PartitionData:
    want = tracked.want
    leader = partition.leading(want.current_leader_epoch)
    if tells is not None and not leader.knows(*tells[:2]):
        raise Rejected(ErrorCode.UNKNOWN_LEADER_EPOCH)  # it may be a replica by metadata that this leader lacks
    row = PartitionData(want.partition, aborted_transactions=None, records=b"")
    row.high_watermark, row.last_stable_offset = partition.hw, partition.lso
    row.log_start_offset = partition.log_start_offset
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
