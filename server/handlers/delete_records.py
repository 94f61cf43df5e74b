"""DeleteRecords (key 21): move the log start of partitions, so that what lies before it may go.

An offset is exclusive: what is below it goes. -1 means all that is committed. The leader moves its own log start at
once, and the answer waits till every replica has moved; its low watermark is where the last of them begins then, which
is never above the high watermark.

Errors: INVALID_TOPIC_EXCEPTION, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE, POLICY_VIOLATION,
REQUEST_TIMED_OUT, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-107.
"""

from collections.abc import Awaitable
from typing import NamedTuple

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.partition import Partition
from server.broker.waiters import Acks
from server.model.errors import ErrorCode, Rejected
from server.model.ids import INTERNAL_TOPICS, LeaderEpoch
from server.wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)


class Deleted(NamedTuple):
    """A row that is true once every replica begins at `offset` or behind it."""

    row: DeleteRecordsPartitionResult
    partition: Partition
    leader_epoch: LeaderEpoch
    offset: int


def handle(
    broker: Broker, ctx: Context, request: DeleteRecordsRequest
) -> DeleteRecordsResponse | Awaitable[DeleteRecordsResponse]:
    deleted: list[Deleted] = []
    topics = [
        DeleteRecordsTopicResult(
            topic.name, [_delete(broker, topic.name, wanted, deleted) for wanted in topic.partitions]
        )
        for topic in request.topics
    ]
    waits = [(each.partition.starts, each.offset) for each in deleted if each.partition.low_watermark < each.offset]
    if waits:
        return _wait(Acks(waits, request.timeout_ms), deleted, topics)
    return _response(deleted, topics)


async def _wait(acks: Acks, deleted: list[Deleted], topics: list[DeleteRecordsTopicResult]) -> DeleteRecordsResponse:
    await acks.done()
    return _response(deleted, topics)


def _response(deleted: list[Deleted], topics: list[DeleteRecordsTopicResult]) -> DeleteRecordsResponse:
    for row, partition, leader_epoch, offset in deleted:
        row.low_watermark = partition.low_watermark
        if partition.leader is None or partition.leader_epoch != leader_epoch:
            row.error_code, row.low_watermark = ErrorCode.NOT_LEADER_OR_FOLLOWER, -1
        elif partition.low_watermark < offset:
            row.error_code, row.low_watermark = ErrorCode.REQUEST_TIMED_OUT, -1
    return DeleteRecordsResponse(topics=topics)


def _delete(
    broker: Broker, topic: str, wanted: DeleteRecordsPartition, deleted: list[Deleted]
) -> DeleteRecordsPartitionResult:
    row = DeleteRecordsPartitionResult(wanted.partition_index)
    try:
        if topic in INTERNAL_TOPICS:
            raise Rejected(ErrorCode.INVALID_TOPIC_EXCEPTION)
        partition = broker.partition(topic, wanted.partition_index)
        offset = partition.delete_records(wanted.offset)
    except Rejected as e:
        return DeleteRecordsPartitionResult(wanted.partition_index, -1, e.code)
    deleted.append(Deleted(row, partition, partition.leader_epoch, offset))
    return row
