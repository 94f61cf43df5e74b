"""OffsetDelete (key 47): forget the offsets of topics that a group does not read any more.

Errors: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, GROUP_ID_NOT_FOUND, INVALID_GROUP_ID, NON_EMPTY_GROUP,
NOT_COORDINATOR; each partition its own: GROUP_SUBSCRIBED_TO_TOPIC, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-496.
"""

from dataclasses import replace

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


async def handle(broker: Broker, ctx: Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
    if not request.group_id:
        raise Rejected(ErrorCode.INVALID_GROUP_ID)
    wanted, refused = [], []
    for topic in request.topics:
        known = broker.image.topics.get(topic.name)
        indexes = set() if known is None else set(known.partitions)
        found = [row for row in topic.partitions if row.partition_index in indexes]
        missing = [row.partition_index for row in topic.partitions if row.partition_index not in indexes]
        if found:
            wanted.append(OffsetDeleteRequestTopic(topic.name, found))
        if missing:
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            rows = [OffsetDeleteResponsePartition(index, code) for index in missing]
            refused.append(OffsetDeleteResponseTopic(topic.name, rows))
    if refused and not wanted:
        return OffsetDeleteResponse(topics=refused)
    asked = replace(request, topics=wanted)
    shard = broker.groups.of(request.group_id)
    response = await shard.decide(lambda core, now: core.delete_offsets(asked, now))
    return OffsetDeleteResponse(topics=[*refused, *response.topics])
