"""OffsetCommit (key 8): remember how far a group has read each partition.

Errors, each partition its own: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, FENCED_INSTANCE_ID,
GROUP_ID_NOT_FOUND, ILLEGAL_GENERATION, NOT_COORDINATOR, OFFSET_METADATA_TOO_LARGE, REBALANCE_IN_PROGRESS,
UNKNOWN_MEMBER_ID, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-211 (v5), KIP-320 (v6), KIP-345 (v7), KIP-848 (v9, v10).
"""

from dataclasses import replace

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode
from server.model.ids import TopicId
from server.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

FIRST_ID_VERSION = 10


async def handle(broker: Broker, ctx: Context, request: OffsetCommitRequest) -> OffsetCommitResponse:
    by_id = ctx.api_version >= FIRST_ID_VERSION
    refused: list[OffsetCommitResponseTopic] = []
    wanted: list[OffsetCommitRequestTopic] = []
    for topic in request.topics:
        known = broker.image.topic_of(TopicId(topic.topic_id)) if by_id else broker.image.topics.get(topic.name)
        there = {} if known is None else known.partitions
        found = [row for row in topic.partitions if row.partition_index in there]
        missing = [row.partition_index for row in topic.partitions if row.partition_index not in there]
        if known is not None and found:
            wanted.append(OffsetCommitRequestTopic(known.name, known.topic_id, found))
        if missing:
            unknown_id = by_id and known is None
            code = ErrorCode.UNKNOWN_TOPIC_ID if unknown_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            rows = [OffsetCommitResponsePartition(index, code) for index in missing]
            refused.append(OffsetCommitResponseTopic(topic.name, topic.topic_id, rows))
    if refused and not wanted:
        return OffsetCommitResponse(topics=refused)
    asked = replace(request, topics=wanted)
    shard = broker.groups.of(request.group_id)
    response = await shard.decide(lambda core, now: core.commit(asked, ctx.api_version, now))
    return OffsetCommitResponse(topics=[*refused, *response.topics])
