"""ListGroups (key 16): the groups that this broker coordinates, by state (v4) and type (v5) where asked for.

Errors: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE.
Source: KIP-518 (states), KIP-848 (types).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse


async def handle(broker: Broker, ctx: Context, request: ListGroupsRequest) -> ListGroupsResponse:
    groups: list[ListedGroup] = []
    for shard in broker.groups:
        try:
            groups += await shard.read(lambda core: core.listed(request.states_filter, request.types_filter))
        except Rejected as e:
            if e.code is not ErrorCode.NOT_COORDINATOR:  # its groups are another broker's now
                raise
    return ListGroupsResponse(groups=groups)
