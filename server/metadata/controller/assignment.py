"""From replicas to new partitions: placed by the controller, or named by the user.

Source: KIP-631; the words of refusals are Kafka's.
"""

from collections.abc import Sequence

from server.metadata.controller import placement
from server.metadata.image import Image
from server.metadata.records import PartitionRecord
from server.model.errors import ErrorCode, Rejected
from server.model.features import DIRECTORIES_SINCE
from server.model.ids import DirectoryId, LeaderEpoch, NodeId, TopicId

FIRST_LEADER_EPOCH, FIRST_PARTITION_EPOCH = LeaderEpoch(0), 0


def placed(
    image: Image, topic_id: TopicId, first: int, count: int, replication_factor: int, below: placement.Below
) -> tuple[PartitionRecord, ...]:
    """`count` partitions from index `first` on. Raises Rejected(INVALID_REPLICATION_FACTOR)."""
    try:
        lists = placement.stripe(placement.usable(image), count, replication_factor, below)
    except Rejected as refused:
        message = f"Unable to replicate the partition {replication_factor} time(s): {refused.message}"
        raise Rejected(refused.code, message) from None
    return tuple(_partition(image, topic_id, index, replicas) for index, replicas in enumerate(lists, first))


def named(
    image: Image, topic_id: TopicId, first: int, lists: Sequence[Sequence[int]], replication_factor: int | None
) -> tuple[PartitionRecord, ...]:
    """Partitions on the brokers that a user named.

    replication_factor  how many brokers each list must name; None: as many as the first
    raises              Rejected(INVALID_REPLICA_ASSIGNMENT)
    """
    records = []
    for index, brokers in enumerate(lists, first):
        check(image, brokers, replication_factor)
        replication_factor = len(brokers)
        replicas = tuple(NodeId(broker) for broker in brokers)
        if not any(image.is_active(replica) for replica in replicas):
            raise _refused(
                f"All brokers specified in the manual partition assignment for partition {index} are fenced or in "
                "controlled shutdown."
            )
        records.append(_partition(image, topic_id, index, replicas))
    return tuple(records)


def check(image: Image, brokers: Sequence[int], replication_factor: int | None) -> None:
    """Whether a replica list can be. Raises Rejected(INVALID_REPLICA_ASSIGNMENT)."""
    if not brokers:
        raise _refused("The manual partition assignment includes an empty replica list.")
    before = None
    for broker in sorted(brokers):
        if broker not in image.brokers:
            raise _refused(
                f"The manual partition assignment includes broker {broker}, but no such broker is registered."
            )
        if broker == before:
            raise _refused(f"The manual partition assignment includes the broker {broker} more than once.")
        before = broker
    if replication_factor not in (None, len(brokers)):
        raise _refused(
            f"The manual partition assignment includes a partition with {len(brokers)} replica(s), but this is not "
            f"consistent with previous partitions, which have {replication_factor} replica(s)."
        )


def _partition(image: Image, topic_id: TopicId, index: int, replicas: tuple[NodeId, ...]) -> PartitionRecord:
    """A new partition: those that are up are in sync, and the first of them leads."""
    isr = tuple(replica for replica in replicas if image.is_active(replica))
    directories: tuple[DirectoryId, ...] = ()
    if image.metadata_version >= DIRECTORIES_SINCE:
        directories = tuple(placement.new_directory(image, replica) for replica in replicas)
    return PartitionRecord(
        index,
        topic_id,
        replicas,
        isr,
        leader=isr[0],
        leader_epoch=FIRST_LEADER_EPOCH,
        partition_epoch=FIRST_PARTITION_EPOCH,
        directories=directories,
    )


def _refused(message: str) -> Rejected:
    return Rejected(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
