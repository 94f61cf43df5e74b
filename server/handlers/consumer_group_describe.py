"""ConsumerGroupDescribe (key 69): the state, the epochs, the members and the assignments of consumer groups.

Errors, each group its own: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, GROUP_ID_NOT_FOUND (or it is
a group of another protocol), INVALID_GROUP_ID, NOT_COORDINATOR, UNSUPPORTED_VERSION.
Source: KIP-848, KIP-1099 (v1: a member's type).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.describing import GROUP_OPERATIONS
from server.broker.group_coordinator import check_consumer_protocol
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
)


async def handle(broker: Broker, ctx: Context, request: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse:
    groups = [await _describe(broker, group_id) for group_id in request.group_ids]
    if request.include_authorized_operations:
        for group in groups:
            if group.error_code == ErrorCode.NONE:
                group.authorized_operations = GROUP_OPERATIONS
    return ConsumerGroupDescribeResponse(groups=groups)


async def _describe(broker: Broker, group_id: str) -> DescribedGroup:
    try:
        check_consumer_protocol(broker.config, broker.image)
        if not group_id:
            raise Rejected(ErrorCode.INVALID_GROUP_ID)
        return await broker.groups.of(group_id).read(lambda core: core.described_consumers(group_id))
    except Rejected as e:
        return DescribedGroup(e.code, e.message, group_id)
