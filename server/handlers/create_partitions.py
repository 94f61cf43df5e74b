"""CreatePartitions (key 37): give topics more partitions, or with validate_only say what would come of it.

Errors, each topic its own: INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR,
INVALID_REQUEST, NOT_CONTROLLER, POLICY_VIOLATION, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-195.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import partitions
from server.wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse


async def handle(broker: Broker, ctx: Context, request: CreatePartitionsRequest) -> CreatePartitionsResponse:
    return await broker.controller.decide(lambda image: partitions.grow(image, request, broker.rng.below))
