"""LeaveGroup (key 13): take members out of a classic group; from v3 on several, and static ones by their instance id.

Errors, each member its own from v3 on: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, FENCED_INSTANCE_ID,
INVALID_GROUP_ID, NOT_COORDINATOR, UNKNOWN_MEMBER_ID.
Source: KIP-345 (v3), KIP-800 (v5).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity

FIRST_BATCHED_VERSION = 3


async def handle(broker: Broker, ctx: Context, request: LeaveGroupRequest) -> LeaveGroupResponse:
    if not request.group_id:
        raise Rejected(ErrorCode.INVALID_GROUP_ID)
    batched = ctx.api_version >= FIRST_BATCHED_VERSION
    if not batched:
        request.members = [MemberIdentity(request.member_id)]
    response = await broker.groups.of(request.group_id).decide(lambda core, now: core.leave(request, now))
    return response if batched else LeaveGroupResponse(error_code=response.members[0].error_code)
