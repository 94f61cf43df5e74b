"""AlterReplicaLogDirs (key 34): move replicas of this broker to other log directories of it.

An answer without an error says that a move has begun, or was given up because the replica is in that directory.
DescribeLogDirs tells how far it is. Where a replica that is still to come shall be is remembered until it comes.

Errors, each partition its own: INVALID_TOPIC_EXCEPTION (too long a name), KAFKA_STORAGE_ERROR, LOG_DIR_NOT_FOUND,
REPLICA_NOT_AVAILABLE (it is to come), UNKNOWN_TOPIC_OR_PARTITION (the same, of a topic that is to come).
Source: KIP-113.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)


def handle(broker: Broker, ctx: Context, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse:
    rows: dict[str, list[AlterReplicaLogDirPartitionResult]] = {}
    for directory in request.dirs:
        for topic in directory.topics:
            for index in topic.partitions:
                code = _move(broker, topic.name, index, directory.path)
                rows.setdefault(topic.name, []).append(AlterReplicaLogDirPartitionResult(index, code))
    return AlterReplicaLogDirsResponse(
        results=[AlterReplicaLogDirTopicResult(name, results) for name, results in rows.items()]
    )


def _move(broker: Broker, topic: str, index: int, path: str) -> ErrorCode:
    try:
        try:
            partition = broker.partition(topic, index)
        except Rejected as away:
            if away.code == ErrorCode.KAFKA_STORAGE_ERROR:
                raise
            broker.moves.prefer(topic, index, path)
            missing = away.code == ErrorCode.NOT_LEADER_OR_FOLLOWER
            return ErrorCode.REPLICA_NOT_AVAILABLE if missing else away.code
        broker.moves.move(partition, path)
    except Rejected as refused:
        return refused.code
    return ErrorCode.NONE
