"""DescribeGroups (key 15): the state, protocol and members of classic groups.

Errors, each group its own: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, GROUP_ID_NOT_FOUND (v6; before,
such a group is dead), NOT_COORDINATOR.
Source: KIP-430 (v3), KIP-345 (v4), KIP-1043 (v6).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.describing import GROUP_OPERATIONS
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.describe_groups import DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse


async def handle(broker: Broker, ctx: Context, request: DescribeGroupsRequest) -> DescribeGroupsResponse:
    groups = [await _describe(broker, ctx, group_id) for group_id in request.groups]
    if request.include_authorized_operations:
        for group in groups:
            if group.error_code == ErrorCode.NONE:
                group.authorized_operations = GROUP_OPERATIONS
    return DescribeGroupsResponse(groups=groups)


async def _describe(broker: Broker, ctx: Context, group_id: str) -> DescribedGroup:
    try:
        return await broker.groups.of(group_id).read(lambda core: core.described(group_id, ctx.api_version))
    except Rejected as e:
        return DescribedGroup(e.code, e.message, group_id)
