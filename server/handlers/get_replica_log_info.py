"""GetReplicaLogInfo (key 93): how far the replicas on this broker reach, for a controller that looks for a leader.

Whoever leads or follows answers alike. `current_leader_epoch` is the one that this broker has heard of: while that is
older than the controller's, the log may still change.

Errors: each partition its own: KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_ID,
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-966, part 2.
"""

from uuid import UUID

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.partition import Partition
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.get_replica_log_info import (
    GetReplicaLogInfoRequest,
    GetReplicaLogInfoResponse,
    PartitionLogInfo,
    TopicPartitionLogInfo,
)

MAX_PARTITIONS = 1000  # in one response, as KIP-966 has it
NOTHING = -1


def handle(broker: Broker, ctx: Context, request: GetReplicaLogInfoRequest) -> GetReplicaLogInfoResponse:
    response = GetReplicaLogInfoResponse(broker_epoch=broker.broker_epoch)
    room, topics = MAX_PARTITIONS, []
    for topic in request.topic_partitions or ():
        indexes = topic.partitions[:room]
        response.truncated |= len(indexes) < len(topic.partitions)
        room -= len(indexes)
        if indexes:
            topics.append(TopicPartitionLogInfo(topic.topic_id, [_tell(broker, topic.topic_id, at) for at in indexes]))
    response.topic_partition_log_info_list = topics
    return response


def _tell(broker: Broker, topic_id: UUID, index: int) -> PartitionLogInfo:
    try:
        partition = broker.partition(topic_id, index)
        if partition.log.failed:
            raise Rejected(ErrorCode.KAFKA_STORAGE_ERROR)
    except Rejected as e:
        return PartitionLogInfo(index, NOTHING, NOTHING, NOTHING, e.code)
    return tell_one(partition)


def tell_one(partition: Partition) -> PartitionLogInfo:
    end, epochs = partition.leo, partition.log.epochs
    # A leader that wrote nothing has an epoch of its own, and no record of it.
    last = epochs.epoch_of(end - 1) if end > partition.log_start_offset else epochs.latest
    return PartitionLogInfo(partition.index, NOTHING if last is None else last, partition.leader_epoch, end)
