"""DeleteGroups (key 42): forget groups without members, and all their offsets.

Errors, each group its own: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, GROUP_ID_NOT_FOUND,
NON_EMPTY_GROUP, NOT_COORDINATOR.
Source: KIP-229.
"""

from asyncio import gather

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import Rejected
from server.wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse


async def handle(broker: Broker, ctx: Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
    results = await gather(*(_delete(broker, group_id) for group_id in dict.fromkeys(request.groups_names)))
    return DeleteGroupsResponse(results=results)


async def _delete(broker: Broker, group_id: str) -> DeletableGroupResult:
    try:
        shard = broker.groups.of(group_id)
        return (await shard.decide(lambda core, now: core.delete([group_id], now)))[0]
    except Rejected as e:
        return DeletableGroupResult(group_id, e.code)
