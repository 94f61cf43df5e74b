"""SyncGroup (key 14): get one's assignment in a generation; the leader brings all of them.

Errors: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, FENCED_INSTANCE_ID, ILLEGAL_GENERATION,
INCONSISTENT_GROUP_PROTOCOL, INVALID_GROUP_ID, NOT_COORDINATOR, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID.
Source: KIP-345 (v3), KIP-559 (v5).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse


async def handle(broker: Broker, ctx: Context, request: SyncGroupRequest) -> SyncGroupResponse:
    if not request.group_id:
        raise Rejected(ErrorCode.INVALID_GROUP_ID)
    return await broker.groups.of(request.group_id).park(lambda core, now, token: core.sync(request, now, token))
