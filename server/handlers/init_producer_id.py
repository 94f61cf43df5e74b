"""InitProducerId (key 22): give an idempotent producer its id, with epoch 0.

An id that the producer had before is of no use here (KIP-360 is about transactional producers): it gets a new one.
Transactional ids are refused with INVALID_REQUEST; their clients first ask for a transaction coordinator, and find that
none is served.

Errors: INVALID_REQUEST, NOT_CONTROLLER and whatever else keeps this broker from its block of ids.
Source: KIP-98, KIP-730.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

FIRST_EPOCH = 0


async def handle(broker: Broker, ctx: Context, request: InitProducerIdRequest) -> InitProducerIdResponse:
    if request.transactional_id is not None:
        raise Rejected(ErrorCode.INVALID_REQUEST, "This cluster serves no transactions.")
    return InitProducerIdResponse(producer_id=await broker.producer_ids.next(), producer_epoch=FIRST_EPOCH)
