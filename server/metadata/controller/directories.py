"""What the active controller decides when a broker says in which directories its replicas are.

A replica that turns up in a directory which its broker lost cannot lead, and leaves the ISR. One that turns up in a
good one, after that where it was is gone, was made anew there. Where others lead it catches up with them. Where nobody
leads, it is not taken for one that has every acknowledged record, nor for the last known leader: what that one had is
gone, and only an unclean election that somebody asks for lets it lead with so little. The only replica of a partition
leads again with what it has, as in Kafka: nobody has more, and nobody else will ever come. Source: KIP-858.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from server.metadata import settings
from server.metadata.controller import elections
from server.metadata.controller.brokers import registered
from server.metadata.controller.decision import Decision
from server.metadata.delta import applied
from server.metadata.image import Image
from server.metadata.records import PartitionChangeRecord, Record
from server.model.errors import ErrorCode, Rejected
from server.model.features import ELR_VERSION
from server.model.ids import NO_LEADER, DirectoryId, NodeId, TopicId
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
    Row errors: INELIGIBLE_REPLICA (see above; where the cluster keeps no eligible leader replicas),
    NOT_LEADER_OR_FOLLOWER (no replica there), UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION.
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
    lost = not elections.is_online(image, partition, broker_id)
    at = partition.replicas.index(broker_id)
    directories = (*partition.directories[:at], DirectoryId(directory), *partition.directories[at + 1 :])
    moved = PartitionChangeRecord(index, topic_id, directories=directories)
    only = len(partition.replicas) == 1
    if lost and partition.leader == NO_LEADER and not only:
        if broker_id in partition.isr and not image.feature(ELR_VERSION):  # whose last member may not leave it
            raise Rejected(ErrorCode.INELIGIBLE_REPLICA)
        moved = replace(
            moved,
            isr=_without(partition.isr, broker_id),
            eligible_leader_replicas=_without(partition.elr, broker_id),
            last_known_elr=_without(partition.last_known_elr, broker_id),
        )
    after = applied(image, (moved,)).topics[topic.name].partitions[index]
    if not elections.is_online(image, after, broker_id):
        gone = elections.updates(image, static, [(topic, index, after)], remove=broker_id)
        return (moved, *gone) if broker_id in after.isr else (moved,)
    if only and after.leader == NO_LEADER:
        return (moved, *elections.updates(image, static, [(topic, index, after)]))
    return (moved,)


def _without(nodes: tuple[NodeId, ...], gone: NodeId) -> tuple[NodeId, ...] | None:
    """None: unchanged."""
    return tuple(each for each in nodes if each != gone) if gone in nodes else None
