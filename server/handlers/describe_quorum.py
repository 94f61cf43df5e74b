"""DescribeQuorum (key 55): the metadata quorum as its leader sees it.

Errors: INVALID_REQUEST, NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-595, KIP-836 (v1: times), KIP-853 (v2: directories, endpoints).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.model.ids import METADATA_TOPIC, NO_LEADER
from server.raft.rpc import ReplicaProgress
from server.raft.voters import Voter
from server.wire.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Listener,
    Node,
    ReplicaState,
    ResponsePartitionData,
    ResponseTopicData,
)

NEVER = -1


def handle(broker: Broker, ctx: Context, request: DescribeQuorumRequest) -> DescribeQuorumResponse:
    wanted = [(topic.topic_name, row.partition_index) for topic in request.topics for row in topic.partitions]
    if len(wanted) != 1:
        raise Rejected(ErrorCode.INVALID_REQUEST)
    if wanted != [(METADATA_TOPIC, 0)]:
        rows = [
            ResponseTopicData(
                topic.topic_name,
                [
                    ResponsePartitionData(row.partition_index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, None)
                    for row in topic.partitions
                ],
            )
            for topic in request.topics
        ]
        return DescribeQuorumResponse(error_message=None, topics=rows)
    row = _partition(broker)
    nodes = [] if row.error_code else [_node(voter) for voter in broker.controller.voters]
    return DescribeQuorumResponse(error_message=None, topics=[ResponseTopicData(METADATA_TOPIC, [row])], nodes=nodes)


def _partition(broker: Broker) -> ResponsePartitionData:
    now_ms = broker.clock.now_ms()
    found = broker.controller.describe_quorum(now_ms)
    if found is None:
        return ResponsePartitionData(0, ErrorCode.NOT_LEADER_OR_FOLLOWER, None, NO_LEADER)
    boot_ms = broker.clock.timestamp_ms() - now_ms  # the core's times are monotonic, the answer's are of the wall

    # Without kraft.version 1 the voters have no directory ids, although every node knows its own.
    directories = {voter.key.id: voter.key.directory_id for voter in broker.controller.voters}

    def state(progress: ReplicaProgress) -> ReplicaState:
        fetched, caught_up = progress.last_fetch_ms, progress.last_caught_up_ms
        return ReplicaState(
            progress.id,
            directories.get(progress.id, progress.directory_id),
            progress.log_end_offset,
            NEVER if fetched is None else boot_ms + fetched,
            NEVER if caught_up is None else boot_ms + caught_up,
        )

    return ResponsePartitionData(
        0,
        ErrorCode.NONE,
        None,
        found.leader_id,
        found.epoch,
        found.high_watermark,
        [state(each) for each in found.voters],
        [state(each) for each in found.observers],
    )


def _node(voter: Voter) -> Node:
    return Node(voter.key.id, [Listener(*end_point) for end_point in voter.endpoints])
