"""Metadata (key 3): brokers, topics and who leads their partitions, as the client's listener sees them.

A topic that is asked for by name, does not exist and may be created by asking, is created before the answer.
Errors: INVALID_TOPIC_EXCEPTION, LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-4, KIP-204 (auto creation), KIP-430 (v8), KIP-516 (v10), KIP-1102 (v13).
"""

from collections.abc import Awaitable, Iterable

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.creating import create_by_asking
from server.broker.describing import CLUSTER_OPERATIONS, TOPIC_OPERATIONS, View, reachable
from server.metadata.image import Image, Partition, Topic
from server.model.errors import ErrorCode
from server.model.ids import INTERNAL_TOPICS, ZERO_UUID, TopicId
from server.wire.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

FIRST_NULL_FOR_ALL_VERSION, FIRST_LISTENER_ERROR_VERSION, FIRST_ID_VERSION = 1, 6, 12
NO_OPERATIONS = -(1 << 31)  # not asked for


def handle(broker: Broker, ctx: Context, request: MetadataRequest) -> MetadataResponse | Awaitable[MetadataResponse]:
    wanted = request.topics
    if ctx.api_version < FIRST_NULL_FOR_ALL_VERSION and not wanted:
        wanted = None
    if wanted and request.allow_auto_topic_creation and broker.config.flag("auto.create.topics.enable"):
        missing = [row.name for row in wanted if row.name is not None and row.name not in broker.image.topics]
        if missing:
            return _created(broker, ctx, request, wanted, missing)
    return _response(broker, ctx, request, wanted, {})


async def _created(
    broker: Broker, ctx: Context, request: MetadataRequest, wanted: Iterable[MetadataRequestTopic], missing: list[str]
) -> MetadataResponse:
    failed = await create_by_asking(broker.channel, missing)
    return _response(broker, ctx, request, wanted, failed)


def _response(
    broker: Broker,
    ctx: Context,
    request: MetadataRequest,
    wanted: Iterable[MetadataRequestTopic] | None,
    failed: dict[str, ErrorCode],
) -> MetadataResponse:
    image = broker.image
    operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations else NO_OPERATIONS
    # Who has just seen a leader die asks at once, and would go on with it for a second if it were named again.
    view = View(image, ctx.listener, broker.fetchers.doubted())
    if wanted is None:
        topics = [_topic(view, ctx, topic, operations) for topic in image.topics.values()]
    else:
        topics = [_wanted(image, view, ctx, row, operations, failed) for row in wanted]
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(node.broker_id, host, port, node.rack)
            for node, host, port in reachable(image, ctx.listener)
        ],
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,  # any broker: it forwards what is for the controller
        topics=topics,
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else NO_OPERATIONS,
    )


def _wanted(
    image: Image, view: View, ctx: Context, row: MetadataRequestTopic, operations: int, failed: dict[str, ErrorCode]
) -> MetadataResponseTopic:
    if row.topic_id != ZERO_UUID:
        found = image.topic_of(TopicId(row.topic_id))
        if found is None:
            return MetadataResponseTopic(ErrorCode.UNKNOWN_TOPIC_ID, None, row.topic_id)
    else:
        found = image.topics.get(row.name or "")
        if found is None:
            code = failed.get(row.name or "", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            return MetadataResponseTopic(code, row.name, is_internal=row.name in INTERNAL_TOPICS)
    return _topic(view, ctx, found, operations)


def _topic(view: View, ctx: Context, topic: Topic, operations: int) -> MetadataResponseTopic:
    partitions = topic.partitions
    return MetadataResponseTopic(
        ErrorCode.NONE,
        topic.name,
        topic.topic_id,
        topic.name in INTERNAL_TOPICS,
        [_partition(view, ctx, index, partitions[index]) for index in sorted(partitions)],
        operations,
    )


def _partition(view: View, ctx: Context, index: int, partition: Partition) -> MetadataResponsePartition:
    error, leader = view.leader(partition)
    if error is ErrorCode.LISTENER_NOT_FOUND and ctx.api_version < FIRST_LISTENER_ERROR_VERSION:
        error = ErrorCode.LEADER_NOT_AVAILABLE
    return MetadataResponsePartition(
        error,
        index,
        leader,
        partition.leader_epoch,
        partition.replicas,
        partition.isr,
        view.offline_replicas(partition),
    )
