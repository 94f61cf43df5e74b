"""AllocateProducerIds (key 67): a broker gets its next block of producer ids.

Errors: BROKER_ID_NOT_REGISTERED, NOT_CONTROLLER, STALE_BROKER_EPOCH.
Source: KIP-730.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse


async def handle(broker: Broker, ctx: Context, request: AllocateProducerIdsRequest) -> AllocateProducerIdsResponse:
    return await broker.members.allocate_producer_ids(request)
