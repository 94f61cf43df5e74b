"""What the active controller decides about the number of partitions: it can only grow.

Source: KIP-195; the words of refusals are Kafka's.
"""

from collections import Counter

from server.metadata.controller import assignment
from server.metadata.controller.decision import Decision
from server.metadata.controller.placement import Below
from server.metadata.image import Image
from server.metadata.records import PartitionRecord
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)

MAX_PARTITIONS_A_REQUEST = 10_000


def grow(image: Image, request: CreatePartitionsRequest, below: Below) -> Decision[CreatePartitionsResponse]:
    """Add partitions to topics, or say what would come of it; each topic succeeds or fails alone.

    Row errors: INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT, INVALID_REQUEST,
    POLICY_VIOLATION, UNKNOWN_TOPIC_OR_PARTITION.
    """
    records: list[PartitionRecord] = []
    results = []
    twice = {name for name, times in Counter(topic.name for topic in request.topics).items() if times > 1}
    for topic in {topic.name: topic for topic in request.topics}.values():
        try:
            if topic.name in twice:
                raise Rejected(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
            records += _added(image, topic, below, MAX_PARTITIONS_A_REQUEST - len(records))
        except Rejected as refused:
            results.append(CreatePartitionsTopicResult(topic.name, refused.code, refused.message))
        else:
            results.append(CreatePartitionsTopicResult(topic.name))
    response = CreatePartitionsResponse(results=results)
    return Decision(() if request.validate_only else tuple(records), response)


def _added(image: Image, wanted: CreatePartitionsTopic, below: Below, room: int) -> tuple[PartitionRecord, ...]:
    topic = image.topics.get(wanted.name)
    if topic is None:
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
    have = len(topic.partitions)
    if wanted.count == have:
        raise Rejected(ErrorCode.INVALID_PARTITIONS, f"Topic already has {have} partition(s).")
    if wanted.count < have:
        raise Rejected(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {wanted.name} currently has {have} partition(s); {wanted.count} would not be an increase.",
        )
    more = wanted.count - have
    if wanted.assignments is not None and len(wanted.assignments) != more:
        raise Rejected(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"Attempted to add {more} additional partition(s), but only {len(wanted.assignments)} assignment(s) were "
            "specified.",
        )
    if more > room:
        raise Rejected(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
    factor = len(topic.partitions[0].replicas)
    if wanted.assignments is None:
        return assignment.placed(image, topic.topic_id, have, more, factor, below)
    lists = [row.broker_ids for row in wanted.assignments]
    return assignment.named(image, topic.topic_id, have, lists, factor)
