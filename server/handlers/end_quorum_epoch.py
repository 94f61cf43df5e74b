"""EndQuorumEpoch (key 54): the leader of the metadata quorum steps down.

Errors: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST; in the row what the quorum says.
Source: KIP-595, KIP-853 (v1).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.end_quorum_epoch import EndQuorumEpochRequest, EndQuorumEpochResponse


async def handle(broker: Broker, ctx: Context, request: EndQuorumEpochRequest) -> EndQuorumEpochResponse:
    answer: EndQuorumEpochResponse = await broker.controller.ask(request)
    return answer
