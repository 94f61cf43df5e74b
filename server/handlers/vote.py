"""Vote (key 52): a voter asks for this node's vote, or whether it would get it.

Errors: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST; in the row what the quorum says.
Source: KIP-595, KIP-853 (v1), KIP-996 (v2: pre-vote).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.vote import VoteRequest, VoteResponse


async def handle(broker: Broker, ctx: Context, request: VoteRequest) -> VoteResponse:
    answer: VoteResponse = await broker.controller.ask(request)
    return answer
