"""AddPartitionsToTxn (key 24): partitions join a transaction, or are asked about.

Versions up to 3 come from clients, and are about one transaction. From 4 on they come from the leaders of partitions,
about many: a transaction's first batch is there, and the leader asks (verify_only), or adds the partition itself.

Codes of a partition: CONCURRENT_TRANSACTIONS, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE,
INVALID_PRODUCER_EPOCH (for PRODUCER_FENCED before v2), INVALID_PRODUCER_ID_MAPPING, INVALID_REQUEST, NOT_COORDINATOR,
OPERATION_NOT_ATTEMPTED, PRODUCER_FENCED, TRANSACTION_ABORTABLE, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-98, KIP-588 (v2), KIP-890 (v4, v5).
"""

import asyncio
from collections.abc import Mapping

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.coordination import Producer
from server.model.errors import ErrorCode
from server.txn.records import by_topic
from server.txn.state import TV2, TopicPartition
from server.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)

FIRST_FENCED_VERSION, FIRST_BATCHED_VERSION = 2, 4


async def handle(broker: Broker, ctx: Context, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse:
    if ctx.api_version >= FIRST_BATCHED_VERSION:
        results = await asyncio.gather(*(_add(broker, each, TV2) for each in request.transactions))
        return AddPartitionsToTxnResponse(
            results_by_transaction=[
                AddPartitionsToTxnResult(each.transactional_id, _rows(codes))
                for each, codes in zip(request.transactions, results, strict=True)
            ]
        )
    only = AddPartitionsToTxnTransaction(
        request.v3_and_below_transactional_id,
        request.v3_and_below_producer_id,
        request.v3_and_below_producer_epoch,
        topics=request.v3_and_below_topics,
    )
    codes = await _add(broker, only, 0)
    if ctx.api_version < FIRST_FENCED_VERSION:
        codes = {each: _older(code) for each, code in codes.items()}
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=_rows(codes))


async def _add(
    broker: Broker, asked: AddPartitionsToTxnTransaction, version: int
) -> Mapping[TopicPartition, ErrorCode]:
    return await broker.transactions.added(
        asked.transactional_id,
        Producer(asked.producer_id, asked.producer_epoch),
        [TopicPartition(topic.name, index) for topic in asked.topics for index in topic.partitions],
        verify_only=asked.verify_only,
        version=version,
    )


def _older(code: ErrorCode) -> ErrorCode:
    return ErrorCode.INVALID_PRODUCER_EPOCH if code == ErrorCode.PRODUCER_FENCED else code


def _rows(codes: Mapping[TopicPartition, ErrorCode]) -> list[AddPartitionsToTxnTopicResult]:
    return [
        AddPartitionsToTxnTopicResult(
            topic, [AddPartitionsToTxnPartitionResult(index, codes[TopicPartition(topic, index)]) for index in indexes]
        )
        for topic, indexes in by_topic(codes).items()
    ]
