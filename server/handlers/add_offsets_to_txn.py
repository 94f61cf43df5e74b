"""AddOffsetsToTxn (key 25): the committed offsets of a group become part of a transaction.

That is: the partition of the offsets topic that the group belongs to joins it.
Errors: CONCURRENT_TRANSACTIONS, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_PRODUCER_EPOCH (for
PRODUCER_FENCED before v2), INVALID_PRODUCER_ID_MAPPING, INVALID_REQUEST, NOT_COORDINATOR, PRODUCER_FENCED.
Source: KIP-98, KIP-588 (v2).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.coordination import Producer
from server.model.errors import ErrorCode, Rejected
from server.model.ids import OFFSETS_TOPIC
from server.txn.state import TopicPartition
from server.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse

FIRST_FENCED_VERSION = 2


async def handle(broker: Broker, ctx: Context, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse:
    offsets = TopicPartition(OFFSETS_TOPIC, broker.coordinators[OFFSETS_TOPIC].partition_for(request.group_id))
    producer = Producer(request.producer_id, request.producer_epoch)
    try:
        await broker.transactions.add(request.transactional_id, producer, [offsets], 0)
    except Rejected as e:
        if e.code == ErrorCode.PRODUCER_FENCED and ctx.api_version < FIRST_FENCED_VERSION:
            raise Rejected(ErrorCode.INVALID_PRODUCER_EPOCH, e.message) from e
        raise
    return AddOffsetsToTxnResponse()
