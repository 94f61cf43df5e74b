"""AlterPartition (key 56): a leader proposes the ISR of its partitions to the active controller.

Errors: BROKER_ID_NOT_REGISTERED, NOT_CONTROLLER, STALE_BROKER_EPOCH; each partition its own: FENCED_LEADER_EPOCH,
INELIGIBLE_REPLICA, INVALID_REQUEST, INVALID_UPDATE_VERSION, NEW_LEADER_ELECTED, NOT_CONTROLLER, UNKNOWN_TOPIC_ID,
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-497, KIP-704 (v1), KIP-841 (v2), KIP-903 (v3).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import isr
from server.wire.messages.alter_partition import AlterPartitionRequest, AlterPartitionResponse


async def handle(broker: Broker, ctx: Context, request: AlterPartitionRequest) -> AlterPartitionResponse:
    return await broker.controller.decide(lambda image: isr.alter(image, broker.config.static, request))
