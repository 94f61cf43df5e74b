"""DeleteRecords (key 21): move the log start of partitions, so that what lies before it may go.

An offset is exclusive: what is below it goes. -1 means all that is committed. The answer's low watermark is the log
start after that, which is never above the high watermark.

Errors: INVALID_TOPIC_EXCEPTION, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE, POLICY_VIOLATION,
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-107.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.model.ids import INTERNAL_TOPICS
from server.wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)


def handle(broker: Broker, ctx: Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse:
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(topic.name, [_delete(broker, topic.name, wanted) for wanted in topic.partitions])
            for topic in request.topics
        ]
    )


def _delete(broker: Broker, topic: str, wanted: DeleteRecordsPartition) -> DeleteRecordsPartitionResult:
    try:
        if topic in INTERNAL_TOPICS:
            raise Rejected(ErrorCode.INVALID_TOPIC_EXCEPTION)
        low_watermark = broker.partition(topic, wanted.partition_index).delete_records(wanted.offset)
    except Rejected as e:
        return DeleteRecordsPartitionResult(wanted.partition_index, -1, e.code)
    return DeleteRecordsPartitionResult(wanted.partition_index, low_watermark)
