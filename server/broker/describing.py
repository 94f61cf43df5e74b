"""What Metadata, DescribeTopicPartitions and DescribeCluster share: how the image looks from one listener.

Without an authorizer everybody may do everything, so authorized operations are all that a resource has.
Source: KIP-430 (authorized operations), KIP-112 and KIP-858 (offline replicas).
"""

from collections.abc import Iterable

from server.metadata.image import Broker, Image, Partition
from server.model.errors import ErrorCode
from server.model.ids import LOST_DIR, NO_LEADER, RESERVED_UUIDS, DirectoryId, NodeId

TOPIC_OPERATIONS = sum(1 << code for code in (3, 4, 5, 6, 7, 8, 10, 11))
CLUSTER_OPERATIONS = sum(1 << code for code in (5, 7, 8, 9, 10, 11, 12))


def reachable(image: Image, listener: str, *, fenced: bool = False) -> Iterable[tuple[Broker, str, int]]:
    """(broker, host, port) of each broker that has this listener, by id; `fenced` ones too where asked for."""
    for broker_id in sorted(image.brokers):
        broker = image.brokers[broker_id]
        end_point = broker.end_point(listener)
        if end_point is not None and (fenced or not broker.fenced):
            yield broker, end_point.host, end_point.port


def offline_replicas(image: Image, partition: Partition) -> list[NodeId]:
    """Replicas whose broker is away, or whose directory was lost."""
    directories = dict(zip(partition.replicas, partition.directories, strict=False))
    return [
        replica
        for replica in partition.replicas
        if (broker := image.brokers.get(replica)) is None
        or broker.fenced
        or directories.get(replica) == LOST_DIR
        or (replica in directories and _offline(broker, directories[replica]))
    ]


def _offline(broker: Broker, directory: DirectoryId) -> bool:
    """Whether the broker registered directories, and this one is not among them. Reserved ids are no directories."""
    reserved = directory.int < RESERVED_UUIDS
    return bool(broker.directories) and not reserved and directory not in broker.directories


def leader_seen(image: Image, partition: Partition, listener: str) -> tuple[ErrorCode, NodeId]:
    """(error, leader) as a client of this listener is told: a leader that it cannot reach is none."""
    leader = image.brokers.get(partition.leader)
    if leader is None or leader.fenced:
        return ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER
    if leader.end_point(listener) is None:
        return ErrorCode.LISTENER_NOT_FOUND, NO_LEADER
    return ErrorCode.NONE, partition.leader
