"""Envelope (key 58): a broker hands on what a client asked it, for the active controller to answer.

The request inside has a header of its own, and so has the answer. Whom the client is, the broker has found out, and
says so; only other nodes of the cluster may be believed in that, and they alone reach a controller's listener.
Errors: INVALID_REQUEST (a client that cannot be read, an API that is not forwarded), NOT_CONTROLLER,
UNSUPPORTED_VERSION (an API or version that is not served).
Source: KIP-590.
"""

from ipaddress import ip_address

from server.broker import principals
from server.broker.broker import Broker
from server.broker.context import Client, Context
from server.model.errors import ErrorCode, Rejected
from server.net.answers import Disconnect
from server.wire.codec import Malformed
from server.wire.messages.envelope import EnvelopeRequest, EnvelopeResponse


async def handle(broker: Broker, ctx: Context, request: EnvelopeRequest) -> EnvelopeResponse:
    if not broker.controller.active:
        raise Rejected(ErrorCode.NOT_CONTROLLER)
    try:
        principal = principals.decode(request.request_principal or b"")
        host = str(ip_address(bytes(request.client_host_address)))
    except (Malformed, ValueError) as e:
        raise Rejected(ErrorCode.INVALID_REQUEST) from e
    client = Client(host, 0, ctx.listener, principal)
    try:
        return EnvelopeResponse(await broker.answer_forwarded(client, memoryview(request.request_data)))
    except Rejected as e:
        if e.code != ErrorCode.NOT_CONTROLLER:
            raise
        # It may have been carried out: to whoever asked that is a connection that broke, and not a plain refusal.
        raise Disconnect("this node ceased to be the active controller while it served a request") from e
