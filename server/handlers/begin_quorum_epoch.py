"""BeginQuorumEpoch (key 53): the leader of the metadata quorum makes itself known.

Errors: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST; in the row what the quorum says.
Source: KIP-595, KIP-853 (v1).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.begin_quorum_epoch import BeginQuorumEpochRequest, BeginQuorumEpochResponse


async def handle(broker: Broker, ctx: Context, request: BeginQuorumEpochRequest) -> BeginQuorumEpochResponse:
    answer: BeginQuorumEpochResponse = await broker.controller.ask(request)
    return answer
