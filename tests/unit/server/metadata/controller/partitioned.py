"""Images for tests of elections and reassignments: brokers 0 to 5, one topic, and partitions as a test names them."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from server.metadata import records as r
from server.metadata.delta import applied
from server.metadata.image import Image, Partition
from server.model.features import ELR_VERSION, LATEST_METADATA_VERSION, METADATA_VERSION
from server.model.ids import BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, TopicId

TOPIC, NAME = TopicId(UUID(int=501)), "t"
ZERO, ONE, TWO, THREE, FOUR, FIVE = BROKERS = tuple(NodeId(each) for each in range(6))
LEADER_EPOCH, PARTITION_EPOCH = LeaderEpoch(3), 7


def directory(node: NodeId) -> DirectoryId:
    """The one directory of a broker."""
    return DirectoryId(UUID(int=600 + node))


def partition(replicas: tuple[NodeId, ...], isr: tuple[NodeId, ...] | None = None, **more: Any) -> r.PartitionRecord:
    """A partition that the first in sync leads, if nothing else is said."""
    isr = replicas if isr is None else isr
    fields: dict[str, Any] = {
        "leader": isr[0] if isr else NodeId(-1),
        "leader_epoch": LEADER_EPOCH,
        "partition_epoch": PARTITION_EPOCH,
        "directories": tuple(map(directory, replicas)),
    }
    return r.PartitionRecord(0, TOPIC, replicas, isr, **fields | more)


def image(
    *partitions: r.PartitionRecord, down: Iterable[NodeId] = (), elr: bool = True, configs: dict[str, str] | None = None
) -> Image:
    """down: the brokers that are fenced. configs: of the topic. Partitions are numbered as they come."""
    down = set(down)
    records: list[r.Record] = [
        r.FeatureLevelRecord(METADATA_VERSION, LATEST_METADATA_VERSION),
        r.FeatureLevelRecord(ELR_VERSION, int(elr)),
        *(
            r.RegisterBrokerRecord(
                node, broker_epoch=BrokerEpoch(10 + node), fenced=node in down, log_dirs=(directory(node),)
            )
            for node in BROKERS
        ),
        r.TopicRecord(NAME, TOPIC),
        *(r.ConfigRecord(2, NAME, name, value) for name, value in (configs or {}).items()),
    ]
    for index, made in enumerate(partitions):
        fields = {name: getattr(made, name) for name in r.PartitionRecord.__slots__}
        records.append(r.PartitionRecord(**fields | {"partition_id": index}))
    return applied(Image(), records)


def changed(index: int = 0, **fields: Any) -> r.PartitionChangeRecord:
    return r.PartitionChangeRecord(index, TOPIC, **fields)


def after(before: Image, records: Iterable[r.Record], index: int = 0) -> Partition:
    """The partition once `records` are replayed."""
    return applied(before, records).topics[NAME].partitions[index]
