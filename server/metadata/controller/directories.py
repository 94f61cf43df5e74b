"""What the active controller decides when a broker says in which directories its replicas are.

A replica that turns up in a directory which its broker lost cannot lead, and leaves the ISR. Source: KIP-858.
"""

from collections.abc import Sequence
from uuid import UUID

from server.metadata import settings
from server.metadata.controller import elections
from server.metadata.controller.brokers import registered
from server.metadata.controller.decision import Decision
from server.metadata.delta import applied
from server.metadata.image import Image
from server.metadata.records import PartitionChangeRecord, Record
from server.model.errors import ErrorCode, Rejected
from server.model.ids import DirectoryId, NodeId, TopicId
from server.wire.messages.assign_replicas_to_dirs import (
    AssignReplicasToDirsRequest,
    AssignReplicasToDirsResponse,
    ResponseDirectoryData,
    ResponsePartitionData,
    ResponseTopicData,
)


def assign(
    image: Image, static: settings.Static, request: AssignReplicasToDirsRequest
) -> Decision[AssignReplicasToDirsResponse]:
    """Note the directories of replicas; each row succeeds or fails alone.

    Raises Rejected: BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH.
    Row errors: NOT_LEADER_OR_FOLLOWER (no replica there), UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION.
    """
    broker_id = NodeId(request.broker_id)
    registered(image, broker_id, request.broker_epoch)
    records: list[Record] = []
    answers = []
    for directory in request.directories:
        topics = []
        for topic in directory.topics:
            rows = []
            for row in topic.partitions:
                code = ErrorCode.NONE
                try:
                    found = _assigned(
                        image, static, broker_id, directory.id, TopicId(topic.topic_id), row.partition_index
                    )
                except Rejected as refused:
                    code, found = refused.code, ()
                image = applied(image, found)
                records += found
                rows.append(ResponsePartitionData(row.partition_index, code))
            topics.append(ResponseTopicData(topic.topic_id, rows))
        answers.append(ResponseDirectoryData(directory.id, topics))
    return Decision(tuple(records), AssignReplicasToDirsResponse(directories=answers))


def _assigned(
    image: Image, static: settings.Static, broker_id: NodeId, directory: UUID, topic_id: TopicId, index: int
) -> Sequence[PartitionChangeRecord]:
    topic = image.topic_of(topic_id)
    if topic is None:
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_ID)
    partition = topic.partitions.get(index)
    if partition is None:
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if broker_id not in partition.replicas:
        raise Rejected(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    if partition.directory(broker_id) == directory:
        return ()
    at = partition.replicas.index(broker_id)
    directories = (*partition.directories[:at], DirectoryId(directory), *partition.directories[at + 1 :])
    moved = PartitionChangeRecord(index, topic_id, directories=directories)
    after = applied(image, (moved,)).topics[topic.name].partitions[index]
    if broker_id not in after.isr or elections.is_online(image, after, broker_id):
        return (moved,)
    return (moved, *elections.updates(image, static, [(topic, index, after)], remove=broker_id))
