"""Produce (key 0): append one record batch to each named partition.

Answers when the batch is in the leader's log (acks 1) or below its high watermark (acks all); acks 0 gets no answer,
and learns of an error by losing its connection. Partitions fail alone, each with its own code. Batches are staged: the
answer is made after the write that the requests of one read share, and requests that wait for replication do not hold
up the ones behind them.

Before a transaction's first batch in a partition its coordinator is asked (`txn_produce`); what comes behind it on this
connection waits, so that batches keep their order.

Errors: CONCURRENT_TRANSACTIONS, CORRUPT_MESSAGE, INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING, INVALID_RECORD,
INVALID_REQUIRED_ACKS, INVALID_TIMESTAMP, INVALID_TOPIC_EXCEPTION, INVALID_TXN_STATE, KAFKA_STORAGE_ERROR,
MESSAGE_TOO_LARGE, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND, NOT_LEADER_OR_FOLLOWER,
OUT_OF_ORDER_SEQUENCE_NUMBER, REQUEST_TIMED_OUT, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, TRANSACTION_ABORTABLE,
UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, UNSUPPORTED_COMPRESSION_TYPE.
Source: KIP-98 (v3), KIP-467 (v8), KIP-482 (v9), KIP-951 (v10), KIP-890 (v11, v12), KIP-516 (v13).
"""

from collections.abc import Awaitable
from uuid import UUID

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.leaders import end_point, leader_to_tell
from server.broker.produced import ALL, Staged, Written
from server.broker.txn_produce import Checks, kept
from server.log.log import Origin
from server.model.errors import ErrorCode, Rejected
from server.model.ids import INTERNAL_TOPICS, NO_LEADER, NodeId
from server.net.answers import Disconnect
from server.records import batch
from server.records.batch import HEADER_SIZE, TRANSACTIONAL, RecordsRejected
from server.wire.messages.produce import (
    BatchIndexAndErrorMessage,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)

ATTRIBUTES_AT = 22  # the low byte of a batch's attributes
FIRST_ZSTD_VERSION = 7
FIRST_ID_VERSION = 13


Answer = ProduceResponse | Written | None


def handle(broker: Broker, ctx: Context, request: ProduceRequest) -> Answer | Awaitable[Answer]:
    if request.acks not in (ALL, 0, 1):
        raise Rejected(ErrorCode.INVALID_REQUIRED_ACKS)
    if request.transactional_id is None:
        return _produce(broker, ctx, request, None)
    checks = Checks(broker, request, ctx.api_version)
    if checks.open:
        return _ask_first(broker, ctx, kept(request), checks)
    return _produce(broker, ctx, request, checks)


async def _ask_first(broker: Broker, ctx: Context, request: ProduceRequest, checks: Checks) -> Answer:
    await checks.ask()
    return _produce(broker, ctx, request, checks)


def _produce(broker: Broker, ctx: Context, request: ProduceRequest, checks: Checks | None) -> Answer:
    acks = request.acks
    staged: list[Staged] = []
    response = ProduceResponse([])
    for topic in request.topic_data:
        name = topic.topic_id if ctx.api_version >= FIRST_ID_VERSION else topic.name
        rows = [_stage(broker, ctx, request, name, data, checks, response, staged) for data in topic.partition_data]
        response.responses.append(TopicProduceResponse(topic.name, topic.topic_id, rows))  # type: ignore[attr-defined]
    if acks == 0:
        failed = [row for topic in response.responses for row in topic.partition_responses if row.error_code]
        if failed:
            raise Disconnect(f"produce with acks 0 failed: {ErrorCode(failed[0].error_code).name}")
        return None
    if not staged:
        return response
    return Written(response, staged, acks, request.timeout_ms)


def _stage(
    broker: Broker,
    ctx: Context,
    request: ProduceRequest,
    topic: str | UUID,
    data: PartitionProduceData,
    checks: Checks | None,
    response: ProduceResponse,
    staged: list[Staged],
) -> PartitionProduceResponse:
    try:
        partition = broker.partition(topic, data.index)
        records = data.records if data.records is not None else b""
        if partition.topic in INTERNAL_TOPICS:
            raise Rejected(ErrorCode.INVALID_TOPIC_EXCEPTION)
        if len(records) >= HEADER_SIZE and records[ATTRIBUTES_AT] & TRANSACTIONAL:
            if checks is None:  # nobody may write for a transactional id that is not named
                raise Rejected(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
            checks.permit(partition, batch.header(records))
        zstd = ctx.api_version >= FIRST_ZSTD_VERSION
        done = partition.stage(records, all_replicas=request.acks == ALL, origin=Origin.CLIENT, zstd=zstd)
    except Rejected as e:
        return _refused(broker, ctx, topic, data.index, e, response)
    row = PartitionProduceResponse(data.index, 0, done.base_offset, done.append_time_ms, done.log_start_offset)
    staged.append(Staged(row, partition, partition.leader_epoch, done.last_offset + 1))
    return row


def _refused(
    broker: Broker, ctx: Context, topic: str | UUID, index: int, error: Rejected, response: ProduceResponse
) -> PartitionProduceResponse:
    row = PartitionProduceResponse(index, error.code, -1, error_message=error.message)
    if isinstance(error, RecordsRejected):
        row.record_errors = [BatchIndexAndErrorMessage(at, message) for at, message in error.record_errors]
    leader = leader_to_tell(broker, topic, index, error.code)
    if leader is not None:
        row.current_leader = LeaderIdAndEpoch(*leader)
        _name(broker, ctx, leader[0], response)
    return row


def _name(broker: Broker, ctx: Context, node: NodeId, response: ProduceResponse) -> None:
    """Say where `node` is reached, once in a response."""
    address = end_point(broker, ctx.listener, node)
    if node != NO_LEADER and address is not None and all(known.node_id != node for known in response.node_endpoints):
        response.node_endpoints = [*response.node_endpoints, NodeEndpoint(node, *address)]
