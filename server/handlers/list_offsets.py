"""ListOffsets (key 2): the offset that stands at a time, or at one of the named places of a partition.

A time gives the first record that is as young, with that record's timestamp; -1 for both when there is none below the
end that the isolation level may see. Named places are negative times:

    -1  latest: that end              -2  earliest: the log start       -3  the record with the largest timestamp
    -4  earliest on this broker       -5  latest in tiered storage      -6  earliest to be uploaded there

There is no tiered storage, so -4 is -2, and -5 and -6 give -1. A leader that does not know yet how far the leaders
before it had committed answers OFFSET_NOT_AVAILABLE, so that the latest offset never goes back.

Errors: FENCED_LEADER_EPOCH, KAFKA_STORAGE_ERROR, LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE,
UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION, UNSUPPORTED_VERSION.
Source: KIP-79 (v1), KIP-98 (v2), KIP-207 (v5), KIP-320 (v4), KIP-734 (v7), KIP-405 (v8), KIP-1005 (v9), KIP-1023 (v11).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.partition import Partition
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD = -1, -2, -3, -4, -5, -6
FIRST_VERSION = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING_UPLOAD: 11}
CONSUMER, DEBUGGING_CONSUMER = -1, -2  # replica ids of those who are no replica
READ_COMMITTED = 1
FIRST_NOT_AVAILABLE_VERSION = 5  # older clients know LEADER_NOT_AVAILABLE as an error that passes
NOWHERE = (-1, -1, -1)
Place = tuple[int, int, int]  # timestamp, offset, leader epoch


def handle(broker: Broker, ctx: Context, request: ListOffsetsRequest) -> ListOffsetsResponse:
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                topic.name, [_answer(broker, ctx, request, topic.name, wanted) for wanted in topic.partitions]
            )
            for topic in request.topics
        ]
    )


def _answer(
    broker: Broker, ctx: Context, request: ListOffsetsRequest, topic: str, wanted: ListOffsetsPartition
) -> ListOffsetsPartitionResponse:
    try:
        if ctx.api_version < FIRST_VERSION.get(wanted.timestamp, 0):
            raise Rejected(ErrorCode.UNSUPPORTED_VERSION)
        partition = broker.partition(topic, wanted.partition_index)
        partition.leading(wanted.current_leader_epoch)
        place = _find(partition, wanted.timestamp, _end(partition, request))
    except Rejected as e:
        unknown = e.code == ErrorCode.OFFSET_NOT_AVAILABLE and ctx.api_version < FIRST_NOT_AVAILABLE_VERSION
        return ListOffsetsPartitionResponse(
            wanted.partition_index, ErrorCode.LEADER_NOT_AVAILABLE if unknown else e.code
        )
    return ListOffsetsPartitionResponse(wanted.partition_index, 0, *place)


def _end(partition: Partition, request: ListOffsetsRequest) -> int:
    """The offset below which this client sees records."""
    if request.replica_id not in (CONSUMER, DEBUGGING_CONSUMER):
        return partition.leo
    return partition.lso if request.isolation_level == READ_COMMITTED else partition.hw


def _find(partition: Partition, timestamp: int, end: int) -> Place:
    """Raises Rejected(OFFSET_NOT_AVAILABLE): what is asked lies where a former leader may have committed more."""
    log = partition.log
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        start = log.log_start_offset
        return -1, start, _epoch(log.epochs.epoch_of(start))
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING_UPLOAD):
        return NOWHERE
    if timestamp == LATEST:
        _require_caught_up(partition, end)
        return -1, end, partition.leader_epoch
    if timestamp < 0 and timestamp != MAX_TIMESTAMP:
        raise Rejected(ErrorCode.UNSUPPORTED_VERSION)  # as Apache Kafka: a newer client may know such a place
    found = log.max_timestamp() if timestamp == MAX_TIMESTAMP else log.offset_by_timestamp(timestamp)
    if found is None or found[1] >= end:
        _require_caught_up(partition, end)
        return NOWHERE
    return found[0], found[1], _epoch(found[2])


def _require_caught_up(partition: Partition, end: int) -> None:
    leader = partition.leading()
    if leader.epoch_start > end and not leader.caught_up:
        raise Rejected(ErrorCode.OFFSET_NOT_AVAILABLE)


def _epoch(epoch: int | None) -> int:
    return -1 if epoch is None else epoch
