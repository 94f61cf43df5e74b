"""DescribeTransactions (key 65): where transactional ids stand, as their coordinator knows it.

Codes of an id: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_REQUEST, NOT_COORDINATOR,
TRANSACTIONAL_ID_NOT_FOUND.
Source: KIP-664.
"""

import asyncio

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.txn.records import by_topic
from server.wire.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TopicData,
    TransactionState,
)


async def handle(broker: Broker, ctx: Context, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse:
    states = await asyncio.gather(*(_describe(broker, id_) for id_ in request.transactional_ids))
    return DescribeTransactionsResponse(transaction_states=states)


async def _describe(broker: Broker, transactional_id: str) -> TransactionState:
    try:
        txn = await broker.transactions.describe(transactional_id)
    except Rejected as e:
        return TransactionState(e.code, transactional_id)
    return TransactionState(
        ErrorCode.NONE,
        transactional_id,
        txn.state.label,
        txn.timeout_ms,
        txn.started_ms,
        txn.producer_id,
        txn.producer_epoch,
        [TopicData(topic, indexes) for topic, indexes in by_topic(txn.partitions).items()],
    )
