"""What Metadata, DescribeTopicPartitions and DescribeCluster share: how the image looks from one listener.

Without an authorizer everybody may do everything, so authorized operations are all that a resource has.
Source: KIP-430 (authorized operations), KIP-112 and KIP-858 (offline replicas).
"""

from collections.abc import Collection, Iterable

from server.metadata.image import Broker, Image, Partition
from server.model.errors import ErrorCode
from server.model.ids import LOST_DIR, NO_LEADER, RESERVED_UUIDS, DirectoryId, NodeId

TOPIC_OPERATIONS = sum(1 << code for code in (3, 4, 5, 6, 7, 8, 10, 11))
GROUP_OPERATIONS = sum(1 << code for code in (3, 6, 8, 10, 11))
CLUSTER_OPERATIONS = sum(1 << code for code in (5, 7, 8, 9, 10, 11, 12))


def reachable(image: Image, listener: str, *, fenced: bool = False) -> Iterable[tuple[Broker, str, int]]:
    """(broker, host, port) of each broker that has this listener, by id; `fenced` ones too where asked for."""
    for broker_id in sorted(image.brokers):
        broker = image.brokers[broker_id]
        end_point = broker.end_point(listener)
        if end_point is not None and (fenced or not broker.fenced):
            yield broker, end_point.host, end_point.port


class View:
    """Partitions as clients of one listener are told of them; what many have in common is found once."""

    def __init__(self, image: Image, listener: str, doubted: Collection[NodeId] = ()) -> None:
        """doubted: brokers that have just gone, it seems, although the metadata does not say so yet."""
        self._image, self._listener, self._doubted = image, listener, doubted
        self._leaders: dict[NodeId, tuple[ErrorCode, NodeId]] = {}
        self._offline: dict[tuple[tuple[NodeId, ...], tuple[DirectoryId, ...]], list[NodeId]] = {}

    def leader(self, partition: Partition) -> tuple[ErrorCode, NodeId]:
        """(error, leader): a leader that cannot be reached from here is none."""
        found = self._leaders.get(partition.leader)
        if found is None:
            found = self._leaders[partition.leader] = self._leader(partition.leader)
        return found

    def _leader(self, node: NodeId) -> tuple[ErrorCode, NodeId]:
        leader = self._image.brokers.get(node)
        if leader is None or leader.fenced or node in self._doubted:
            return ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER
        if leader.end_point(self._listener) is None:
            return ErrorCode.LISTENER_NOT_FOUND, NO_LEADER
        return ErrorCode.NONE, node

    def offline_replicas(self, partition: Partition) -> list[NodeId]:
        """Replicas whose broker is away, or whose directory was lost."""
        key = partition.replicas, partition.directories
        found = self._offline.get(key)
        if found is None:
            found = self._offline[key] = self._offline_of(partition)
        return found

    def _offline_of(self, partition: Partition) -> list[NodeId]:
        directories = dict(zip(partition.replicas, partition.directories, strict=False))
        return [
            replica
            for replica in partition.replicas
            if (broker := self._image.brokers.get(replica)) is None
            or broker.fenced
            or directories.get(replica) == LOST_DIR
            or (replica in directories and _offline(broker, directories[replica]))
        ]


def _offline(broker: Broker, directory: DirectoryId) -> bool:
    """Whether the broker registered directories, and this one is not among them. Reserved ids are no directories."""
    reserved = directory.int < RESERVED_UUIDS
    return bool(broker.directories) and not reserved and directory not in broker.directories
