"""JoinGroup (key 11): become a member of a classic group, or take part in its next generation.

Answers when the rebalance is over: when all members have joined, or their time is up.

Errors: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, FENCED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED,
INCONSISTENT_GROUP_PROTOCOL, INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT, MEMBER_ID_REQUIRED, NOT_COORDINATOR,
REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID.
Source: KIP-62 (v1), KIP-394 (v4), KIP-345 (v5), KIP-559 (v7), KIP-800 (v8), KIP-814 (v9).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.groups.membership import Joiner
from server.model.errors import ErrorCode
from server.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse

FIRST_REBALANCE_TIMEOUT_VERSION = 1
FIRST_NULL_PROTOCOL_VERSION = 7


async def handle(broker: Broker, ctx: Context, request: JoinGroupRequest) -> JoinGroupResponse:
    if ctx.api_version < FIRST_REBALANCE_TIMEOUT_VERSION:
        request.rebalance_timeout_ms = request.session_timeout_ms
    limits = broker.group_settings
    if not request.group_id:
        return JoinGroupResponse(member_id=request.member_id, error_code=ErrorCode.INVALID_GROUP_ID)
    if not limits.min_session_timeout_ms <= request.session_timeout_ms <= limits.max_session_timeout_ms:
        return JoinGroupResponse(member_id=request.member_id, error_code=ErrorCode.INVALID_SESSION_TIMEOUT)
    name = request.group_instance_id or ctx.client_id or ""
    new_id = f"{name}-{broker.rng.uuid()}"
    who = Joiner(ctx.client_id or "", f"/{ctx.client_host}", new_id, ctx.api_version)
    response = await broker.groups.of(request.group_id).park(
        lambda core, now, token: core.join(request, who, now, token)
    )
    if response.protocol_name is None and ctx.api_version < FIRST_NULL_PROTOCOL_VERSION:
        response.protocol_name = ""
    return response
