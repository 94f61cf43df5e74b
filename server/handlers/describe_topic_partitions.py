"""DescribeTopicPartitions (key 75): topics and their partitions by name, in pages.

Names are answered in order, partitions too; what does not fit the limit is left to the next request, which begins at
the cursor that this answer gives.
Errors: INVALID_REQUEST (a cursor with a negative partition), LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND,
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-966.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.describing import TOPIC_OPERATIONS, View
from server.metadata.image import Partition, Topic
from server.model.errors import ErrorCode, Rejected
from server.model.ids import INTERNAL_TOPICS
from server.wire.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)


def handle(broker: Broker, ctx: Context, request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse:
    image, cursor = broker.image, request.cursor
    if cursor is not None and cursor.partition_index < 0:
        raise Rejected(ErrorCode.INVALID_REQUEST, "DescribeTopicPartitionsRequest cursor partition must be valid.")
    names = sorted({row.name for row in request.topics} if request.topics else image.topics)
    if cursor is not None:
        names = [name for name in names if name >= cursor.topic_name]
    left = min(request.response_partition_limit, broker.config.number("max.request.partition.size.limit"))
    left = max(left, 1)
    view = View(image, ctx.listener)
    response = DescribeTopicPartitionsResponse(topics=(rows := []))
    for name in names:
        topic = image.topics.get(name)
        if topic is None:
            if request.topics:
                rows.append(
                    DescribeTopicPartitionsResponseTopic(
                        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name, is_internal=name in INTERNAL_TOPICS
                    )
                )
            continue
        first = cursor.partition_index if cursor is not None and cursor.topic_name == name else 0
        if left == 0:
            response.next_cursor = Cursor(name, first)
            break
        indexes = [index for index in sorted(topic.partitions) if index >= first]
        rows.append(_topic(view, topic, indexes[:left]))
        if len(indexes) > left:
            response.next_cursor = Cursor(name, indexes[left])
            break
        left -= len(indexes)
    return response


def _topic(view: View, topic: Topic, indexes: list[int]) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        ErrorCode.NONE,
        topic.name,
        topic.topic_id,
        topic.name in INTERNAL_TOPICS,
        [_partition(view, index, topic.partitions[index]) for index in indexes],
        TOPIC_OPERATIONS,
    )


def _partition(view: View, index: int, found: Partition) -> DescribeTopicPartitionsResponsePartition:
    error, leader = view.leader(found)
    return DescribeTopicPartitionsResponsePartition(
        error,
        index,
        leader,
        found.leader_epoch,
        found.replicas,
        found.isr,
        found.elr,
        found.last_known_elr,
        view.offline_replicas(found),
    )
