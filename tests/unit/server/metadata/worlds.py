"""A seeded world of decisions: brokers come and go, topics are made, grown and deleted, settings change."""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from uuid import UUID

from server.metadata import bootstrap
from server.metadata.controller import (
    brokers,
    configs,
    elect_leaders,
    isr,
    partitions,
    producer_ids,
    reassignments,
    topics,
)
from server.metadata.controller.decision import Decision
from server.metadata.delta import Delta
from server.metadata.image import Image
from server.metadata.records import ClientQuotaRecord, NoOpRecord, QuotaEntity, Record
from server.model.errors import Rejected
from server.model.features import TAKEN
from server.model.ids import BrokerEpoch, NodeId, TopicId
from server.model.settings.kinds import ResourceType
from server.wire.messages import alter_partition, alter_partition_reassignments
from server.wire.messages.allocate_producer_ids import AllocateProducerIdsRequest
from server.wire.messages.broker_heartbeat import BrokerHeartbeatRequest
from server.wire.messages.broker_registration import BrokerRegistrationRequest, Feature, Listener
from server.wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from server.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from server.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from server.wire.messages.elect_leaders import ElectLeadersRequest
from server.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from server.wire.messages.unregister_broker import UnregisterBrokerRequest

CLUSTER = "8oKgTfwXTvOPGWGdX6gbcQ"
EPOCH = 1


class World:
    """The controller's tail image, and every batch that led to it: (offset of the first record, records)."""

    def __init__(self, seed: int, *, elr: bool = True) -> None:
        self.rng = Random(seed)
        self.static: dict[str, str] = {}
        self.image = Image()
        self.batches: list[tuple[int, tuple[Record, ...]]] = []
        self.deltas: list[Delta] = []
        levels = {} if elr else {"eligible.leader.replicas.version": 0}
        self.append(bootstrap.first_records(bootstrap.checkpoint(levels=levels), "1"))

    def append(self, records: tuple[Record, ...]) -> None:
        if not records:
            return
        delta, base = Delta(self.image), self.image.offset + 1
        for record in records:
            delta.replay(record)
        self.image = delta.image(base + len(records) - 1, EPOCH, self.image.timestamp_ms + 1)
        self.batches.append((base, records))
        self.deltas.append(delta)

    def step(self) -> None:
        """Decide something; a refusal is an answer like another."""
        with suppress(Rejected, IndexError):  # IndexError: there is nothing yet to choose from
            self.append(self.rng.choice(STEPS)(self).records)

    def uuid(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128) | 1 << 100)

    def register(self, broker: int | None = None, *, rack: str | None = None, dirs: int = 1) -> Decision[object]:
        broker_id = self.rng.randrange(5) if broker is None else broker
        known = self.image.brokers.get(NodeId(broker_id))
        previous = known.epoch if known is not None and self.rng.random() < 0.5 else -1
        request = BrokerRegistrationRequest(
            broker_id,
            CLUSTER,
            self.uuid(),
            [Listener("PLAINTEXT", "localhost", 9092 + broker_id, 0)],
            [Feature(name, *levels) for name, levels in TAKEN.items()],
            self.rng.choice([None, "a", "b"]) if broker is None else rack,
            log_dirs=known.directories if known and self.rng.random() < 0.9 else [self.uuid() for _ in range(dirs)],
            previous_broker_epoch=previous,
        )
        return brokers.register(
            self.image,
            self.static,
            request,
            cluster_id=CLUSTER,
            new_epoch=BrokerEpoch(self.image.offset + 1),
            session_alive=False,
        )

    def join(self, *ids: int, rack: str | None = None, dirs: int = 1) -> None:
        """Register brokers and unfence them."""
        for broker in ids:
            self.append(self.register(broker, rack=rack, dirs=dirs).records)
            self.append(brokers.unfence(self.image, self.static, NodeId(broker)).records)

    def broker(self) -> NodeId:
        return NodeId(self.rng.choice([*self.image.brokers, 0]))

    def heartbeat(self) -> Decision[object]:
        broker = self.image.brokers.get(self.broker())
        epoch = -1 if broker is None else broker.epoch
        request = BrokerHeartbeatRequest(
            0 if broker is None else broker.broker_id,
            epoch,
            current_metadata_offset=self.image.offset,
            want_fence=self.rng.random() < 0.2,
            want_shut_down=self.rng.random() < 0.2,
            offline_log_dirs=broker.directories[:1] if broker is not None and self.rng.random() < 0.1 else (),
            cordoned_log_dirs=self.rng.choice([None, (), () if broker is None else broker.directories[:1]]),
        )
        return brokers.heartbeat(self.image, self.static, request)

    def topic(self) -> str:
        return self.rng.choice([*self.image.topics, "absent"])

    def create(self) -> Decision[object]:
        wanted = CreatableTopic(
            self.rng.choice("abcdefgh") + self.rng.choice(["", ".x", "_x", "-x"]),
            self.rng.choice([-1, 1, 3]),
            self.rng.choice([-1, 1, 2, 3]),
            configs=[CreatableTopicConfig("min.insync.replicas", self.rng.choice("123"))][: self.rng.randrange(2)],
        )
        return topics.create(self.image, self.static, CreateTopicsRequest([wanted]), self.topic_id, self.rng.randrange)

    def topic_id(self) -> TopicId:
        return TopicId(self.uuid())

    def delete(self) -> Decision[object]:
        return topics.delete(self.image, DeleteTopicsRequest(topics=[DeleteTopicState(self.topic())]))

    def grow(self) -> Decision[object]:
        wanted = CreatePartitionsTopic(self.topic(), self.rng.randrange(1, 6), None)
        return partitions.grow(self.image, CreatePartitionsRequest([wanted]), self.rng.randrange)

    def elect(self) -> Decision[object]:
        return elect_leaders.elect(self.image, self.static, ElectLeadersRequest(self.rng.randrange(2), None))

    def reassign(self) -> Decision[object]:
        """Move a partition to some brokers, or cancel its move."""
        topic = self.rng.choice([*self.image.topics.values()])
        index = self.rng.choice([*topic.partitions])
        known = sorted(self.image.brokers)
        wanted = self.rng.sample(known, self.rng.randint(1, len(known))) if self.rng.random() < 0.7 else None
        row = alter_partition_reassignments.ReassignablePartition(index, wanted)
        request = alter_partition_reassignments.AlterPartitionReassignmentsRequest(
            topics=[alter_partition_reassignments.ReassignableTopic(topic.name, [row])]
        )
        return reassignments.alter(self.image, self.static, request)

    def catch_up(self) -> Decision[object]:
        """A leader proposes an ISR: some replicas caught up, some fell behind."""
        led = [each for each in self.image.all_partitions() if each[2].leader >= 0]
        topic, index, partition = self.rng.choice(led)
        members = [each for each in partition.replicas if self.rng.random() < 0.7 and each != partition.leader]
        row = alter_partition.RequestPartitionData(
            index,
            partition.leader_epoch,
            [partition.leader, *members],
            partition_epoch=partition.partition_epoch,
        )
        request = alter_partition.AlterPartitionRequest(
            partition.leader,
            self.image.brokers[partition.leader].epoch,
            [alter_partition.RequestTopicData(topic.topic_id, [row])],
        )
        return isr.alter(self.image, self.static, request)

    def alter(self) -> Decision[object]:
        kind, name, key, value = self.rng.choice(
            [
                (ResourceType.TOPIC, self.topic(), "retention.ms", self.rng.choice(["1", "-1"])),
                (ResourceType.TOPIC, self.topic(), "min.insync.replicas", self.rng.choice("12")),
                (ResourceType.TOPIC, self.topic(), "unclean.leader.election.enable", "true"),
                (ResourceType.BROKER, "", "min.insync.replicas", self.rng.choice("12")),
                (ResourceType.BROKER, str(self.broker()), "log.cleaner.threads", "2"),
                (ResourceType.GROUP, "g", "consumer.heartbeat.interval.ms", "6000"),
                (ResourceType.CLIENT_METRICS, "m", "interval.ms", "1000"),
            ]
        )
        row = AlterableConfig(key, self.rng.choice([0, 0, 1]), value)
        request = IncrementalAlterConfigsRequest([AlterConfigsResource(kind, name, [row])])
        return configs.alter(self.image, self.static, request)

    def allocate(self) -> Decision[object]:
        broker = self.broker()
        epoch = self.image.brokers[broker].epoch if broker in self.image.brokers else -1
        return producer_ids.allocate(self.image, AllocateProducerIdsRequest(broker, epoch))

    def fence(self) -> Decision[object]:
        return brokers.fence(self.image, self.static, self.broker())

    def unfence(self) -> Decision[object]:
        return brokers.unfence(self.image, self.static, self.broker())

    def unregister(self) -> Decision[object]:
        """Now and then only, or there would never be many."""
        if self.rng.random() < 0.8:
            return Decision((NoOpRecord(),), None)
        return brokers.unregister(self.image, self.static, UnregisterBrokerRequest(self.broker()))

    def quota(self) -> Decision[object]:
        entity = (QuotaEntity("user", self.rng.choice(["ann", None])),)
        return Decision((ClientQuotaRecord(entity, "producer_byte_rate", 10.0, self.rng.random() < 0.3),), None)


STEPS: tuple[Callable[[World], Decision[object]], ...] = (
    World.register,
    World.heartbeat,
    World.heartbeat,
    World.create,
    World.create,
    World.delete,
    World.grow,
    World.elect,
    World.reassign,
    World.reassign,
    World.catch_up,
    World.catch_up,
    World.catch_up,
    World.alter,
    World.allocate,
    World.fence,
    World.unfence,
    World.unfence,
    World.unregister,
    World.quota,
)
