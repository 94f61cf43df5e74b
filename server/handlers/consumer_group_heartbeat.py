"""ConsumerGroupHeartbeat (key 68): a consumer joins its group, is in it, learns its assignment, and leaves.

Errors: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, FENCED_INSTANCE_ID, FENCED_MEMBER_EPOCH,
GROUP_ID_NOT_FOUND, GROUP_MAX_SIZE_REACHED, INVALID_REGULAR_EXPRESSION, INVALID_REQUEST, NOT_COORDINATOR,
UNKNOWN_MEMBER_ID, UNRELEASED_INSTANCE_ID, UNSUPPORTED_ASSIGNOR, UNSUPPORTED_VERSION.
Source: KIP-848, KIP-1082 (v1: member ids are made by clients).
"""

from collections.abc import Iterator

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.group_coordinator import check_consumer_protocol
from server.groups.consumer.heartbeat import Caller
from server.groups.consumer.member import JOINING, LEFT, LEFT_STATIC
from server.model.errors import ErrorCode, Rejected
from server.model.ids import uuid_text
from server.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse

FIRST_OWN_ID_VERSION = 1


async def handle(
    broker: Broker, ctx: Context, request: ConsumerGroupHeartbeatRequest
) -> ConsumerGroupHeartbeatResponse:
    check_consumer_protocol(broker.config, broker.image)
    wrong = next(_wrong(request, ctx.api_version), None)
    if wrong is not None:
        raise Rejected(ErrorCode.INVALID_REQUEST, wrong)
    known = broker.group_settings.consumer.assignors
    if request.server_assignor is not None and request.server_assignor not in known:
        supported = ", ".join(sorted(known))
        message = f"ServerAssignor {request.server_assignor} is not supported. Supported assignors: {supported}."
        raise Rejected(ErrorCode.UNSUPPORTED_ASSIGNOR, message)
    caller = Caller(ctx.client_id or "", f"/{ctx.client_host}", uuid_text(broker.rng.uuid()))
    shard = broker.groups.of(request.group_id)
    return await shard.decide(lambda core, now: core.consumer_heartbeat(request, caller, now))


def _wrong(request: ConsumerGroupHeartbeatRequest, api_version: int) -> Iterator[str]:
    """What is wrong with a request by itself, in Kafka's words."""
    epoch = request.member_epoch
    if not request.group_id.strip():
        yield "GroupId can't be empty."
    if not request.member_id.strip() and (api_version >= FIRST_OWN_ID_VERSION or epoch != JOINING):
        yield "MemberId can't be empty."
    for name, value in (("InstanceId", request.instance_id), ("RackId", request.rack_id)):
        if value is not None and not value.strip():
            yield f"{name} can't be empty."
    if epoch == JOINING:
        if request.rebalance_timeout_ms == -1:
            yield "RebalanceTimeoutMs must be provided in first request."
        if request.topic_partitions is None or request.topic_partitions:
            yield "TopicPartitions must be empty when (re-)joining."
        if request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
            yield "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
    elif epoch == LEFT_STATIC and request.instance_id is None:
        yield "InstanceId can't be null."
    elif epoch < min(LEFT, LEFT_STATIC):
        yield f"MemberEpoch is {epoch}, but must be greater than or equal to {LEFT_STATIC}."
