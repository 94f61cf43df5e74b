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
epochs), KIP-73 (throttles), KIP-392 (v11), KIP-951 (v16).
"""

from collections.abc import Awaitable
from uuid import UUID

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.fetching import Reading, read_all
from server.broker.leaders import end_points
from server.broker.waiters import Poll
from server.model.ids import NO_LEADER, NodeId
from server.replication.sessions import Plan
from server.wire.messages.fetch import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    NodeEndpoint,
    PartitionData,
)

RESPONSE_BYTES = 16 * 1024 * 1024  # held for one client at a time; more than this, it gets with its next request
FIRST_RACK_VERSION, FIRST_ID_VERSION, FIRST_STATE_VERSION = 11, 13, 15
CONSUMER = -1


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
    reading = read_all(broker, request, plan, limit, by_id=by_id, tells=tells, anywhere=anywhere)
    missing = min(request.min_bytes, limit) - reading.size
    if missing <= 0 or reading.must_answer or request.max_wait_ms <= 0 or not plan.partitions:
        return _response(broker, ctx, plan, reading, by_id)
    wait_ms = _until_more(broker, reading, request.max_wait_ms)
    poll = Poll(reading.partitions, missing, wait_ms, follows=follows)
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
        reading = read_all(broker, request, plan, limit, by_id=by_id, tells=None, anywhere=anywhere)
        missing = min(request.min_bytes, limit) - reading.size
        wait_ms = deadline_ms - broker.clock.now_ms()
        if missing <= 0 or reading.must_answer or not look_again or wait_ms <= 0:
            return _response(broker, ctx, plan, reading, by_id)
        wait_ms = _until_more(broker, reading, wait_ms)
        poll = Poll(reading.partitions, missing, wait_ms, follows=request.replica_id >= 0)


def _until_more(broker: Broker, reading: Reading, wait_ms: int) -> int:
    """How long to wait: no longer than a throttle holds back what is there."""
    if not reading.held_back:
        return wait_ms
    return min(wait_ms, max(broker.throttles.leader.wait_ms(broker.clock.now_ms()), 1))


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
    if reading.throttled_bytes:
        broker.throttles.leader.took(reading.throttled_bytes, broker.clock.now_ms())
    leaders = {row.current_leader.leader_id for _, row in kept} - {NO_LEADER}
    return FetchResponse(
        session_id=plan.session_id,
        responses=list(topics.values()),
        node_endpoints=[NodeEndpoint(*each) for each in end_points(broker, ctx.listener, leaders)],
    )
