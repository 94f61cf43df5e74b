"""AlterPartitionReassignments (key 45): move replicas of partitions to other brokers, or cancel such moves.

Answered when the moves have begun; ListPartitionReassignments tells which are not completed.
Errors: NOT_CONTROLLER; each partition its own: INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT,
NO_REASSIGNMENT_IN_PROGRESS, POLICY_VIOLATION, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-455, KIP-860 (v1: whether the replication factor may change).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import reassignments
from server.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
)


async def handle(
    broker: Broker, ctx: Context, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    return await broker.controller.decide(lambda image: reassignments.alter(image, broker.config.static, request))
