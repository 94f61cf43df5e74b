"""Heartbeat (key 12): a member of a classic group is alive, and hears whether a rebalance is under way.

A group that is being loaded takes heartbeats: its sessions begin when it is loaded.

Errors: COORDINATOR_NOT_AVAILABLE, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INVALID_GROUP_ID, NOT_COORDINATOR,
REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID.
Source: KIP-62, KIP-345 (v3).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse


async def handle(broker: Broker, ctx: Context, request: HeartbeatRequest) -> HeartbeatResponse:
    if not request.group_id:
        raise Rejected(ErrorCode.INVALID_GROUP_ID)
    try:
        return await broker.groups.of(request.group_id).decide(lambda core, now: core.heartbeat(request, now))
    except Rejected as e:
        if e.code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            return HeartbeatResponse()
        raise
