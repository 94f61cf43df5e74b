"""AssignReplicasToDirs (key 73): a broker says in which directories its replicas are.

Errors: BROKER_ID_NOT_REGISTERED, NOT_CONTROLLER, STALE_BROKER_EPOCH; each row its own: NOT_LEADER_OR_FOLLOWER,
UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-858.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.assign_replicas_to_dirs import AssignReplicasToDirsRequest, AssignReplicasToDirsResponse


async def handle(broker: Broker, ctx: Context, request: AssignReplicasToDirsRequest) -> AssignReplicasToDirsResponse:
    return await broker.members.assign_directories(request)
