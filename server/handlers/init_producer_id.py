"""InitProducerId (key 22): give a producer its id and its epoch.

Without a transactional id it gets a new id, with epoch 0; one that it had before is of no use then. With one, it
shuts out whoever had that id before.

Errors: CONCURRENT_TRANSACTIONS, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_PRODUCER_EPOCH (for
PRODUCER_FENCED before v4), INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT, NOT_COORDINATOR, NOT_CONTROLLER (there is no
new id to be had), PRODUCER_FENCED.
Source: KIP-98, KIP-360 (v3), KIP-588 (v4), KIP-730, KIP-890 (v5).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.coordination import Producer
from server.model.errors import ErrorCode, Rejected
from server.txn.init import Wanted
from server.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

FIRST_EPOCH = 0
NOTHING = -1
FIRST_FENCED_VERSION = 4


async def handle(broker: Broker, ctx: Context, request: InitProducerIdRequest) -> InitProducerIdResponse:
    expected = Producer(request.producer_id, request.producer_epoch)
    if (expected.id == NOTHING) != (expected.epoch == NOTHING):
        raise Rejected(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is None:
        return InitProducerIdResponse(producer_id=await broker.producer_ids.next(), producer_epoch=FIRST_EPOCH)
    wanted = Wanted(
        request.transactional_id, request.transaction_timeout_ms, None if expected.id == NOTHING else expected
    )
    try:
        producer = await broker.transactions.init_producer_id(wanted)
    except Rejected as e:
        if e.code == ErrorCode.PRODUCER_FENCED and ctx.api_version < FIRST_FENCED_VERSION:
            raise Rejected(ErrorCode.INVALID_PRODUCER_EPOCH, e.message) from e
        raise
    return InitProducerIdResponse(producer_id=producer.id, producer_epoch=producer.epoch)
