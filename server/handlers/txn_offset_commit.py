"""TxnOffsetCommit (key 28): remember how far a group has read, if the producer's transaction is committed.

The group's coordinator writes the offsets as a part of the transaction; they count from its marker on. Before the
first ones, the coordinator of the transaction is asked whether it knows of them, as before a transaction's first batch.

Errors, each partition its own: CONCURRENT_TRANSACTIONS, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE,
FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INVALID_GROUP_ID, INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING,
INVALID_TXN_STATE, NOT_COORDINATOR, OFFSET_METADATA_TOO_LARGE, TRANSACTION_ABORTABLE, UNKNOWN_MEMBER_ID,
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-98, KIP-447 (v3), KIP-890 (v4, v5).
"""

from dataclasses import replace

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.txn_verification import Support
from server.groups.core import GroupCore
from server.log.verifications import Asked
from server.model.coordination import Decision, Now, Producer
from server.model.errors import ErrorCode, Rejected
from server.model.ids import OFFSETS_TOPIC
from server.txn.state import TopicPartition
from server.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

FIRST_LOADING_VERSION = 2  # older clients fail at COORDINATOR_LOAD_IN_PROGRESS
FIRST_ABORTABLE_VERSION, FIRST_ADDING_VERSION = 4, 5
NO_SEQUENCE = -1


async def handle(broker: Broker, ctx: Context, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse:
    if not request.group_id:
        raise Rejected(ErrorCode.INVALID_GROUP_ID)
    refused, asked = _split(broker, request)
    if refused and not asked.topics:
        return TxnOffsetCommitResponse(topics=refused)
    try:
        response = await _commit(broker, asked, _support(ctx.api_version))
    except Rejected as e:
        if e.code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS and ctx.api_version < FIRST_LOADING_VERSION:
            raise Rejected(ErrorCode.COORDINATOR_NOT_AVAILABLE, e.message) from e
        raise
    return TxnOffsetCommitResponse(topics=[*refused, *response.topics])


async def _commit(broker: Broker, request: TxnOffsetCommitRequest, support: Support) -> TxnOffsetCommitResponse:
    shard = broker.groups.of(request.group_id)
    producers = shard.partition.log.producers
    producer = Producer(request.producer_id, request.producer_epoch)
    asks = support is Support.ADDS or broker.settings.value("transaction.partition.verification.enable")
    asked: Asked | None = None
    if asks:
        asked = broker.verification.begin(shard.partition, producer, NO_SEQUENCE, support)
    if asked is not None:
        place = TopicPartition(OFFSETS_TOPIC, shard.index)
        codes = await broker.verification.ask(request.transactional_id, producer, [place], support)
        if place in codes:
            raise Rejected(_told(codes[place]))

    def commit(core: GroupCore, now: Now) -> Decision[TxnOffsetCommitResponse]:
        if asks and not producers.verified(*producer, asked):
            raise Rejected(ErrorCode.INVALID_TXN_STATE, "The transaction ended while its coordinator was asked.")
        return core.commit_in_transaction(request, now)

    return await shard.decide(commit)


def _split(
    broker: Broker, request: TxnOffsetCommitRequest
) -> tuple[list[TxnOffsetCommitResponseTopic], TxnOffsetCommitRequest]:
    """The rows of partitions that do not exist, and a request for all others."""
    refused, wanted = [], []
    for topic in request.topics:
        known = broker.image.topics.get(topic.name)
        there = {} if known is None else known.partitions
        found = [row for row in topic.partitions if row.partition_index in there]
        if found:
            wanted.append(TxnOffsetCommitRequestTopic(topic.name, found))
        missing = [row.partition_index for row in topic.partitions if row.partition_index not in there]
        if missing:
            unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            rows = [TxnOffsetCommitResponsePartition(index, unknown) for index in missing]
            refused.append(TxnOffsetCommitResponseTopic(topic.name, rows))
    return refused, replace(request, topics=wanted)


def _support(api_version: int) -> Support:
    if api_version >= FIRST_ADDING_VERSION:
        return Support.ADDS
    return Support.ABORTABLE if api_version >= FIRST_ABORTABLE_VERSION else Support.NOTHING


def _told(code: ErrorCode) -> ErrorCode:
    """A code that clients of a group's coordinator know, and come again after it."""
    if code == ErrorCode.NETWORK_EXCEPTION:
        return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    return ErrorCode.COORDINATOR_NOT_AVAILABLE if code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION else code
