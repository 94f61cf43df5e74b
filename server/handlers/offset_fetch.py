"""OffsetFetch (key 9): the committed offsets of groups, -1 where there is none; of all partitions, where none is named.

Errors, each group its own from v8 on: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR,
STALE_MEMBER_EPOCH, UNKNOWN_MEMBER_ID; each partition its own: UNKNOWN_TOPIC_ID, UNSTABLE_OFFSET_COMMIT.
Source: KIP-447 (v7, require_stable), KIP-709 (v8, several groups), KIP-848 (v9, v10).
"""

import asyncio

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.model.ids import ZERO_UUID, TopicId
from server.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

FIRST_BATCHED_VERSION, FIRST_ID_VERSION = 8, 10


async def handle(broker: Broker, ctx: Context, request: OffsetFetchRequest) -> OffsetFetchResponse:
    if ctx.api_version >= FIRST_BATCHED_VERSION:
        by_id = ctx.api_version >= FIRST_ID_VERSION
        groups = (_group(broker, wanted, request.require_stable, by_id) for wanted in request.groups)
        return OffsetFetchResponse(groups=await asyncio.gather(*groups))
    wanted = OffsetFetchRequestGroup(request.group_id, topics=None)
    if request.topics is not None:
        wanted.topics = [OffsetFetchRequestTopics(t.name, ZERO_UUID, t.partition_indexes) for t in request.topics]
    found = await _fetch(broker, wanted, request.require_stable)
    return OffsetFetchResponse(
        topics=[OffsetFetchResponseTopic(topic.name, [_old(row) for row in topic.partitions]) for topic in found.topics]
    )


def _old(row: OffsetFetchResponsePartitions) -> OffsetFetchResponsePartition:
    return OffsetFetchResponsePartition(
        row.partition_index, row.committed_offset, row.committed_leader_epoch, row.metadata, row.error_code
    )


async def _fetch(broker: Broker, wanted: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup:
    shard = broker.groups.of(wanted.group_id)
    return await shard.read(lambda core: core.fetch_offsets(wanted, require_stable=require_stable))


async def _group(
    broker: Broker, wanted: OffsetFetchRequestGroup, require_stable: bool, by_id: bool
) -> OffsetFetchResponseGroup:
    try:
        unknown: list[OffsetFetchResponseTopics] = []
        if by_id and wanted.topics is not None:
            wanted, unknown = _named(broker, wanted)
        found = await _fetch(broker, wanted, require_stable)
    except Rejected as e:
        return OffsetFetchResponseGroup(wanted.group_id, error_code=e.code)
    if by_id and wanted.topics is None:
        found.topics = _with_ids(broker, found)
    found.topics = [*found.topics, *unknown]
    return found


def _named(
    broker: Broker, wanted: OffsetFetchRequestGroup
) -> tuple[OffsetFetchRequestGroup, list[OffsetFetchResponseTopics]]:
    """The same request with names, and the answer for the topics that do not exist."""
    topics, unknown = [], []
    for topic in wanted.topics or ():
        known = broker.image.topic_of(TopicId(topic.topic_id))
        if known is not None:
            topics.append(OffsetFetchRequestTopics(known.name, known.topic_id, topic.partition_indexes))
            continue
        code = ErrorCode.UNKNOWN_TOPIC_ID
        rows = [OffsetFetchResponsePartitions(index, -1, -1, "", code) for index in topic.partition_indexes]
        unknown.append(OffsetFetchResponseTopics("", topic.topic_id, rows))
    return OffsetFetchRequestGroup(wanted.group_id, wanted.member_id, wanted.member_epoch, topics), unknown


def _with_ids(broker: Broker, found: OffsetFetchResponseGroup) -> list[OffsetFetchResponseTopics]:
    """Topics that do not exist any more have no id to be named by, and are left out."""
    rows = []
    for topic in found.topics:
        known = broker.image.topics.get(topic.name)
        if known is not None:
            rows.append(OffsetFetchResponseTopics(topic.name, known.topic_id, topic.partitions))
    return rows
