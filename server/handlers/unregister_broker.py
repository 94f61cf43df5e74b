"""UnregisterBroker (key 64): forget a broker that is gone for good.

Errors: BROKER_ID_NOT_REGISTERED, NOT_CONTROLLER.
Source: KIP-631.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import brokers
from server.wire.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse


async def handle(broker: Broker, ctx: Context, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse:
    return await broker.controller.decide(lambda image: brokers.unregister(image, broker.config.static, request))
