"""Image: the cluster's metadata at one offset of the metadata log. Immutable.

The active controller, its standbys and every broker hold equal images at equal offsets, because replaying records into
a `Delta` is the only way from one image to the next. An image shares with its predecessor every part that no record
touched, so holding two of them (the committed one, and the controller's with its uncommitted tail) costs little.

Maps are plain dicts that nobody changes. Partitions hang below their topic, so a partition's change copies one topic
and the map of topics, never the partitions of the rest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from server.metadata.records import (
    AccessControlEntryRecord,
    DelegationTokenRecord,
    EndPoint,
    FeatureRange,
    QuotaEntity,
    UserScramCredentialRecord,
)
from server.model.features import METADATA_VERSION, OLDEST_METADATA_VERSION
from server.model.ids import BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, ProducerId, TopicId

RECOVERED, RECOVERING = 0, 1


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition's registration. `directories` runs parallel to `replicas`; empty lists mean none."""

    replicas: tuple[NodeId, ...]
    isr: tuple[NodeId, ...]
    leader: NodeId
    leader_epoch: LeaderEpoch
    partition_epoch: int
    directories: tuple[DirectoryId, ...] = ()
    removing_replicas: tuple[NodeId, ...] = ()
    adding_replicas: tuple[NodeId, ...] = ()
    leader_recovery_state: int = RECOVERED
    elr: tuple[NodeId, ...] = ()
    last_known_elr: tuple[NodeId, ...] = ()

    def directory(self, node: NodeId) -> DirectoryId:
        """Where the replica on `node` lives. Raises ValueError: no replica there."""
        return self.directories[self.replicas.index(node)]


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    topic_id: TopicId
    partitions: Mapping[int, Partition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Broker:
    """A registered broker; `fenced` ones serve nobody."""

    broker_id: NodeId
    epoch: BrokerEpoch
    incarnation_id: UUID
    end_points: tuple[EndPoint, ...]
    features: tuple[FeatureRange, ...]
    rack: str | None
    fenced: bool
    in_controlled_shutdown: bool
    directories: tuple[DirectoryId, ...] = ()
    cordoned_directories: tuple[DirectoryId, ...] = ()
    is_migrating_zk_broker: bool = False

    @property
    def active(self) -> bool:
        """Whether it may lead: neither fenced nor shutting down."""
        return not self.fenced and not self.in_controlled_shutdown

    def end_point(self, listener: str) -> EndPoint | None:
        return next((each for each in self.end_points if each.name == listener), None)


@dataclass(frozen=True, slots=True)
class Controller:
    controller_id: NodeId
    incarnation_id: UUID
    end_points: tuple[EndPoint, ...]
    features: tuple[FeatureRange, ...]
    zk_migration_ready: bool = False


class Resource(NamedTuple):
    """What a config belongs to: type is a `ResourceType`; the name is empty for the default of all brokers."""

    type: int
    name: str


@dataclass(frozen=True, slots=True)
class Image:
    """offset, epoch, timestamp_ms: those of the last record it holds; -1 before the first."""

    offset: int = -1
    epoch: int = -1
    timestamp_ms: int = -1
    features: Mapping[str, int] = field(default_factory=dict)
    brokers: Mapping[NodeId, Broker] = field(default_factory=dict)
    controllers: Mapping[NodeId, Controller] = field(default_factory=dict)
    topics: Mapping[str, Topic] = field(default_factory=dict)
    topic_names: Mapping[TopicId, str] = field(default_factory=dict)
    configs: Mapping[Resource, Mapping[str, str]] = field(default_factory=dict)
    next_producer_id: ProducerId | None = None
    quotas: Mapping[frozenset[QuotaEntity], Mapping[str, float]] = field(default_factory=dict)
    acls: Mapping[UUID, AccessControlEntryRecord] = field(default_factory=dict)
    scram: Mapping[tuple[int, str], UserScramCredentialRecord] = field(default_factory=dict)
    tokens: Mapping[str, DelegationTokenRecord] = field(default_factory=dict)

    @property
    def metadata_version(self) -> int:
        return self.features.get(METADATA_VERSION, OLDEST_METADATA_VERSION)

    def feature(self, name: str) -> int:
        """The finalized level of a feature; 0 where it is off."""
        return self.features.get(name, 0)

    def topic_of(self, topic_id: TopicId) -> Topic | None:
        name = self.topic_names.get(topic_id)
        return None if name is None else self.topics[name]

    def partition(self, topic_id: TopicId, index: int) -> Partition | None:
        topic = self.topic_of(topic_id)
        return None if topic is None else topic.partitions.get(index)

    def config(self, type_: int, name: str) -> Mapping[str, str]:
        """What was set dynamically on one resource; empty where nothing was."""
        return self.configs.get(Resource(type_, name), {})

    def unfenced(self) -> tuple[NodeId, ...]:
        return tuple(sorted(id_ for id_, broker in self.brokers.items() if not broker.fenced))

    def is_active(self, broker_id: NodeId) -> bool:
        broker = self.brokers.get(broker_id)
        return broker is not None and broker.active

    def all_partitions(self) -> Iterable[tuple[Topic, int, Partition]]:
        """Every partition of the cluster: the topic, the index, the registration."""
        for topic in self.topics.values():
            for index, partition in topic.partitions.items():
                yield topic, index, partition
