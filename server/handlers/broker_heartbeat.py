"""BrokerHeartbeat (key 63): a broker tells the active controller that it lives, and what it wants.

Errors: BROKER_ID_NOT_REGISTERED, NOT_CONTROLLER, STALE_BROKER_EPOCH.
Source: KIP-631, KIP-841 (shutdown), KIP-858 (v1), KIP-1066 (v2).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse


async def handle(broker: Broker, ctx: Context, request: BrokerHeartbeatRequest) -> BrokerHeartbeatResponse:
    return await broker.members.heartbeat(request, ctx.client)
