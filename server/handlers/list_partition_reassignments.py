"""ListPartitionReassignments (key 46): the reassignments of the named partitions, or of all, that are not completed.

Errors: NOT_CONTROLLER.
Source: KIP-455.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import reassignments
from server.metadata.controller.decision import Decision
from server.wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


async def handle(
    broker: Broker, ctx: Context, request: ListPartitionReassignmentsRequest
) -> ListPartitionReassignmentsResponse:
    return await broker.controller.decide(lambda image: Decision((), reassignments.under_way(image, request)))
