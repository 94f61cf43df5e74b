"""ControllerRegistration (key 70): a controller tells the active one where it listens.

Errors: NOT_CONTROLLER, UNSUPPORTED_VERSION.
Source: KIP-919.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.controller_registration import ControllerRegistrationRequest, ControllerRegistrationResponse


async def handle(
    broker: Broker, ctx: Context, request: ControllerRegistrationRequest
) -> ControllerRegistrationResponse:
    return await broker.members.register_controller(request)
