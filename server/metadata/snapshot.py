"""An image as records: what a snapshot file holds between its header and its footer.

Replaying them on an empty image gives an equal image. The order is Kafka's: features, nodes, topics each with its
partitions, settings, quotas, producer ids, access control, credentials, tokens.

Source: KIP-630, KIP-746.
"""

from collections.abc import Iterator

from server.metadata import records as r
from server.metadata.image import Broker, Image, Partition
from server.model.features import CONTROLLER_REGISTRATION_SINCE, METADATA_VERSION
from server.model.ids import NodeId, TopicId

NOBODY = NodeId(-1)


def records(image: Image) -> tuple[r.Record, ...]:
    return tuple(_records(image))


def _records(image: Image) -> Iterator[r.Record]:
    yield from _features(image)
    yield from _nodes(image)
    for topic in image.topics.values():
        yield r.TopicRecord(topic.name, topic.topic_id)
        for index in sorted(topic.partitions):
            yield partition(topic.topic_id, index, topic.partitions[index])
    for resource, values in image.configs.items():
        for name, value in values.items():
            yield r.ConfigRecord(resource.type, resource.name, name, value)
    for entity, quotas in image.quotas.items():
        ordered = tuple(sorted(entity, key=lambda part: part.entity_type))
        for key, quota in quotas.items():
            yield r.ClientQuotaRecord(ordered, key, quota)
    if image.next_producer_id is not None:
        yield r.ProducerIdsRecord(NOBODY, r.NO_BROKER_EPOCH, image.next_producer_id)
    yield from image.acls.values()
    yield from image.scram.values()
    yield from image.tokens.values()


def _features(image: Image) -> Iterator[r.Record]:
    if METADATA_VERSION in image.features:  # first: it says how the rest is to be read
        yield r.FeatureLevelRecord(METADATA_VERSION, image.features[METADATA_VERSION])
    for name, level in sorted(image.features.items()):
        if name != METADATA_VERSION:
            yield r.FeatureLevelRecord(name, level)


def _nodes(image: Image) -> Iterator[r.Record]:
    for broker_id in sorted(image.brokers):
        yield registration(image.brokers[broker_id])
    for controller_id in sorted(image.controllers) if image.metadata_version >= CONTROLLER_REGISTRATION_SINCE else ():
        node = image.controllers[controller_id]
        yield r.RegisterControllerRecord(
            node.controller_id, node.incarnation_id, node.zk_migration_ready, node.end_points, node.features
        )


def registration(broker: Broker) -> r.RegisterBrokerRecord:
    """The record that registers a broker as it is."""
    return r.RegisterBrokerRecord(
        broker.broker_id,
        broker.is_migrating_zk_broker,
        broker.incarnation_id,
        broker.epoch,
        broker.end_points,
        broker.features,
        broker.rack,
        broker.fenced,
        broker.in_controlled_shutdown,
        broker.directories,
        broker.cordoned_directories,
    )


def partition(topic_id: TopicId, index: int, found: Partition) -> r.PartitionRecord:
    """The record that makes a partition what it is."""
    return r.PartitionRecord(
        index,
        topic_id,
        found.replicas,
        found.isr,
        found.removing_replicas,
        found.adding_replicas,
        found.leader,
        found.leader_epoch,
        found.partition_epoch,
        found.directories,
        found.leader_recovery_state,
        found.elr or None,
        found.last_known_elr or None,
    )
