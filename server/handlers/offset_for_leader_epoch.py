"""OffsetForLeaderEpoch (key 23): where the records of a leader epoch end, so that a client finds where two logs part.

The answer names the largest epoch that is not above the one asked for, and its exclusive end offset; -1 for both when
this log has not come to that epoch.

Errors: FENCED_LEADER_EPOCH, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, UNKNOWN_LEADER_EPOCH,
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-101, KIP-279, KIP-320.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import Rejected
from server.wire.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)


def handle(broker: Broker, ctx: Context, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse:
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(topic.topic, [_find(broker, topic.topic, wanted) for wanted in topic.partitions])
            for topic in request.topics
        ]
    )


def _find(broker: Broker, topic: str, wanted: OffsetForLeaderPartition) -> EpochEndOffset:
    try:
        partition = broker.partition(topic, wanted.partition)
        partition.leading(wanted.current_leader_epoch)
    except Rejected as e:
        return EpochEndOffset(e.code, wanted.partition)
    return EpochEndOffset(0, wanted.partition, *partition.log.epochs.end_offset_for(wanted.leader_epoch))
