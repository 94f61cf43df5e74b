"""BrokerRegistration (key 62): a broker that starts introduces itself to the active controller.

Errors: DUPLICATE_BROKER_REGISTRATION, INCONSISTENT_CLUSTER_ID, INVALID_REGISTRATION, INVALID_REQUEST, NOT_CONTROLLER,
UNSUPPORTED_VERSION.
Source: KIP-631, KIP-858 (v2), KIP-966 (v3).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse


async def handle(broker: Broker, ctx: Context, request: BrokerRegistrationRequest) -> BrokerRegistrationResponse:
    return await broker.members.register(request, ctx.client)
