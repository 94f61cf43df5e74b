"""Delta: what a run of records changes in an image, and the way from one image to the next.

Brokers read it to learn which partitions to open, lead, follow or drop, and whose settings changed. Every map is copied
at the first record that touches it, a topic's partitions likewise; what no record touches is shared with the base.

Source: KIP-631.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from server.metadata import records as r
from server.metadata.image import Broker, Controller, Image, Partition, Resource, Topic
from server.model.ids import UNASSIGNED_DIR, LeaderEpoch, NodeId, ProducerId, TopicId
from server.model.settings.kinds import ResourceType

K = TypeVar("K")
V = TypeVar("V")


class Inconsistent(Exception):
    """A record does not fit the image it is replayed on: the log, or who wrote it, is broken."""


class _Draft(Generic[K, V]):
    """A map that is copied at its first write."""

    __slots__ = ("_own", "_read")

    def __init__(self, base: Mapping[K, V]) -> None:
        self._read: Mapping[K, V] = base
        self._own: dict[K, V] | None = None

    @property
    def now(self) -> Mapping[K, V]:
        return self._read

    def write(self) -> dict[K, V]:
        if self._own is None:
            self._own = dict(self._read)
            self._read = self._own
        return self._own


class Delta:
    """Replay records, ask what they changed, take the image. A Delta whose image was taken is not replayed on again.

    topics_created      ids of topics that the base lacks
    topics_deleted      topics of the base that are gone, as they were
    partitions_changed  indexes of new and changed partitions, by topic id; deleted topics are not in it
    configs_changed     resources of which a key was set or deleted; a deleted topic's is among them
    brokers_changed     brokers registered, changed or unregistered
    """

    def __init__(self, base: Image) -> None:
        self.base = base
        self.topics_created: set[TopicId] = set()
        self.topics_deleted: dict[TopicId, Topic] = {}
        self.partitions_changed: dict[TopicId, set[int]] = {}
        self.configs_changed: set[Resource] = set()
        self.brokers_changed: set[NodeId] = set()
        self.controllers_changed: set[NodeId] = set()
        self.features_changed: set[str] = set()
        self.quotas_changed: set[frozenset[r.QuotaEntity]] = set()
        self.scram_changed: set[tuple[int, str]] = set()
        self.acls_changed = False
        self.tokens_changed = False
        self._features = _Draft(base.features)
        self._brokers = _Draft(base.brokers)
        self._controllers = _Draft(base.controllers)
        self._topics = _Draft(base.topics)
        self._topic_names = _Draft(base.topic_names)
        self._partitions: dict[TopicId, dict[int, Partition]] = {}
        self._configs = _Draft(base.configs)
        self._quotas = _Draft(base.quotas)
        self._acls = _Draft(base.acls)
        self._scram = _Draft(base.scram)
        self._tokens = _Draft(base.tokens)
        self._next_producer_id: ProducerId | None = base.next_producer_id

    def replay(self, record: r.Record) -> None:
        """Take in one record. Raises Inconsistent: it names what does not exist, or aborts a transaction."""
        _REPLAY[type(record)](self, record)

    def image(self, offset: int, epoch: int, timestamp_ms: int) -> Image:
        """The image after the records, of which the last has this offset, epoch and timestamp."""
        topics = self._topics
        for topic_id, partitions in self._partitions.items():
            name = self._topic_names.now[topic_id]
            topics.write()[name] = Topic(name, topic_id, partitions)
        return Image(
            offset,
            epoch,
            timestamp_ms,
            self._features.now,
            self._brokers.now,
            self._controllers.now,
            topics.now,
            self._topic_names.now,
            self._configs.now,
            self._next_producer_id,
            self._quotas.now,
            self._acls.now,
            self._scram.now,
            self._tokens.now,
        )

    # Topics and partitions

    def _topic(self, record: r.TopicRecord) -> None:
        if record.name in self._topics.now:
            raise Inconsistent(f"topic {record.name} exists")
        self._topics.write()[record.name] = Topic(record.name, record.topic_id)
        self._topic_names.write()[record.topic_id] = record.name
        self.topics_created.add(record.topic_id)
        self._partitions[record.topic_id] = {}

    def _remove_topic(self, record: r.RemoveTopicRecord) -> None:
        name = self._topic_names.write().pop(record.topic_id, None)
        if name is None:
            raise Inconsistent(f"no topic has the id {record.topic_id}")
        del self._topics.write()[name]
        self._partitions.pop(record.topic_id, None)
        self.partitions_changed.pop(record.topic_id, None)
        if record.topic_id in self.topics_created:
            self.topics_created.remove(record.topic_id)
        else:
            self.topics_deleted[record.topic_id] = self.base.topics[name]
        resource = Resource(ResourceType.TOPIC, name)
        if resource in self._configs.now:
            del self._configs.write()[resource]
            self.configs_changed.add(resource)

    def _draft(self, topic_id: TopicId) -> dict[int, Partition]:
        draft = self._partitions.get(topic_id)
        if draft is None:
            name = self._topic_names.now.get(topic_id)
            if name is None:
                raise Inconsistent(f"no topic has the id {topic_id}")
            draft = self._partitions[topic_id] = dict(self._topics.now[name].partitions)
        return draft

    def _put(self, topic_id: TopicId, index: int, partition: Partition) -> None:
        self._draft(topic_id)[index] = partition
        self.partitions_changed.setdefault(topic_id, set()).add(index)

    def _partition(self, record: r.PartitionRecord) -> None:
        self._put(record.topic_id, record.partition_id, registration(record))

    def _partition_change(self, record: r.PartitionChangeRecord) -> None:
        before = self._draft(record.topic_id).get(record.partition_id)
        if before is None:
            raise Inconsistent(f"topic {record.topic_id} has no partition {record.partition_id}")
        self._put(record.topic_id, record.partition_id, changed(before, record))

    def _clear_elr(self, record: r.ClearElrRecord) -> None:
        if record.topic_name and record.topic_name not in self._topics.now:
            raise Inconsistent(f"no topic is named {record.topic_name}")
        names = [record.topic_name] if record.topic_name else list(self._topics.now)
        for topic_id in [self._topics.now[name].topic_id for name in names]:
            partitions = self._partitions.get(topic_id) or self._topics.now[self._topic_names.now[topic_id]].partitions
            for index, partition in list(partitions.items()):
                if partition.elr or partition.last_known_elr:
                    self._put(topic_id, index, changed(partition, _NO_ELR))

    # Nodes

    def _register_broker(self, record: r.RegisterBrokerRecord) -> None:
        self._brokers.write()[record.broker_id] = Broker(
            record.broker_id,
            record.broker_epoch,
            record.incarnation_id,
            record.end_points,
            record.features,
            record.rack,
            record.fenced,
            record.in_controlled_shutdown,
            record.log_dirs,
            record.cordoned_log_dirs or (),
            record.is_migrating_zk_broker,
        )
        self.brokers_changed.add(record.broker_id)

    def _unregister_broker(self, record: r.UnregisterBrokerRecord) -> None:
        self._registered(record.broker_id, record.broker_epoch)
        del self._brokers.write()[record.broker_id]
        self.brokers_changed.add(record.broker_id)

    def _registered(self, broker_id: NodeId, epoch: int) -> Broker:
        broker = self._brokers.now.get(broker_id)
        if broker is None or broker.epoch != epoch:
            raise Inconsistent(f"no broker {broker_id} is registered with epoch {epoch}")
        return broker

    def _fence(self, record: r.FenceBrokerRecord) -> None:
        self._change_broker(replace(self._registered(record.id, record.epoch), fenced=True))

    def _unfence(self, record: r.UnfenceBrokerRecord) -> None:
        self._change_broker(replace(self._registered(record.id, record.epoch), fenced=False))

    def _broker_change(self, record: r.BrokerRegistrationChangeRecord) -> None:
        before = self._registered(record.broker_id, record.broker_epoch)
        cordoned = record.cordoned_log_dirs
        self._change_broker(
            replace(
                before,
                fenced=record.fenced > 0 if record.fenced else before.fenced,
                in_controlled_shutdown=record.in_controlled_shutdown > 0
                if record.in_controlled_shutdown
                else before.in_controlled_shutdown,
                directories=record.log_dirs or before.directories,
                cordoned_directories=before.cordoned_directories if cordoned is None else cordoned,
            )
        )

    def _change_broker(self, broker: Broker) -> None:
        self._brokers.write()[broker.broker_id] = broker
        self.brokers_changed.add(broker.broker_id)

    def _register_controller(self, record: r.RegisterControllerRecord) -> None:
        self._controllers.write()[record.controller_id] = Controller(
            record.controller_id,
            record.incarnation_id,
            record.end_points,
            record.features,
            record.zk_migration_ready,
        )
        self.controllers_changed.add(record.controller_id)

    # All else

    def _config(self, record: r.ConfigRecord) -> None:
        resource = Resource(record.resource_type, record.resource_name)
        before = self._configs.now.get(resource, {})
        if record.value is None:
            after = {name: value for name, value in before.items() if name != record.name}
        else:
            after = {**before, record.name: record.value}
        _put_or_drop(self._configs.write(), resource, after)
        self.configs_changed.add(resource)

    def _feature(self, record: r.FeatureLevelRecord) -> None:
        if record.feature_level:
            self._features.write()[record.name] = record.feature_level
        else:
            self._features.write().pop(record.name, None)
        self.features_changed.add(record.name)

    def _producer_ids(self, record: r.ProducerIdsRecord) -> None:
        self._next_producer_id = record.next_producer_id

    def _quota(self, record: r.ClientQuotaRecord) -> None:
        entity = frozenset(record.entity)
        after = {key: value for key, value in self._quotas.now.get(entity, {}).items() if key != record.key}
        if not record.remove:
            after[record.key] = record.value
        _put_or_drop(self._quotas.write(), entity, after)
        self.quotas_changed.add(entity)

    def _acl(self, record: r.AccessControlEntryRecord) -> None:
        self._acls.write()[record.id] = record
        self.acls_changed = True

    def _remove_acl(self, record: r.RemoveAccessControlEntryRecord) -> None:
        if self._acls.write().pop(record.id, None) is None:
            raise Inconsistent(f"no access control entry has the id {record.id}")
        self.acls_changed = True

    def _scram_credential(self, record: r.UserScramCredentialRecord) -> None:
        self._scram.write()[record.mechanism, record.name] = record
        self.scram_changed.add((record.mechanism, record.name))

    def _remove_scram(self, record: r.RemoveUserScramCredentialRecord) -> None:
        self._scram.write().pop((record.mechanism, record.name), None)
        self.scram_changed.add((record.mechanism, record.name))

    def _token(self, record: r.DelegationTokenRecord) -> None:
        self._tokens.write()[record.token_id] = record
        self.tokens_changed = True

    def _remove_token(self, record: r.RemoveDelegationTokenRecord) -> None:
        self._tokens.write().pop(record.token_id, None)
        self.tokens_changed = True

    def _nothing(self, _: r.Record) -> None:
        """A no-op; the frame of a whole transaction; or the state of ZooKeeper's migration, which nobody reads now."""

    def _abort(self, _: r.Record) -> None:
        raise Inconsistent("a transaction is aborted: only a Loader knows what was in it")


def registration(record: r.PartitionRecord) -> Partition:
    return Partition(
        record.replicas,
        record.isr,
        record.leader,
        record.leader_epoch,
        record.partition_epoch,
        record.directories or (UNASSIGNED_DIR,) * len(record.replicas),
        record.removing_replicas,
        record.adding_replicas,
        record.leader_recovery_state,
        record.eligible_leader_replicas or (),
        record.last_known_elr or (),
    )


def changed(before: Partition, change: r.PartitionChangeRecord) -> Partition:
    """The partition after one change record: its partition epoch grows by one, with a leader its leader epoch too."""
    led = change.leader != r.NO_LEADER_CHANGE
    recovery = change.leader_recovery_state
    replicas = _or(change.replicas, before.replicas)
    directories = _or(change.directories, before.directories)
    if len(directories) != len(replicas):  # of a version without directories
        directories = (UNASSIGNED_DIR,) * len(replicas)
    return Partition(
        replicas,
        _or(change.isr, before.isr),
        change.leader if led else before.leader,
        LeaderEpoch(before.leader_epoch + 1) if led else before.leader_epoch,
        before.partition_epoch + 1,
        directories,
        _or(change.removing_replicas, before.removing_replicas),
        _or(change.adding_replicas, before.adding_replicas),
        before.leader_recovery_state if recovery < 0 else recovery,
        _or(change.eligible_leader_replicas, before.elr),
        _or(change.last_known_elr, before.last_known_elr),
    )


def applied(image: Image, records: Iterable[r.Record]) -> Image:
    """`image` with records that are decided but have no offset yet, for what is decided after them in one request."""
    delta = Delta(image)
    for record in records:
        delta.replay(record)
    return delta.image(image.offset, image.epoch, image.timestamp_ms)


def _or(new: tuple[V, ...] | None, old: tuple[V, ...]) -> tuple[V, ...]:
    return old if new is None else new


def _put_or_drop(map_: dict[K, Mapping[str, V]], key: K, value: Mapping[str, V]) -> None:
    if value:
        map_[key] = value
    else:
        map_.pop(key, None)


_NO_ELR = r.PartitionChangeRecord(eligible_leader_replicas=(), last_known_elr=())

# Any: each takes its own record type. A test checks that every type has its row.
_REPLAY: dict[type, Callable[[Delta, Any], None]] = {
    r.RegisterBrokerRecord: Delta._register_broker,
    r.UnregisterBrokerRecord: Delta._unregister_broker,
    r.TopicRecord: Delta._topic,
    r.PartitionRecord: Delta._partition,
    r.ConfigRecord: Delta._config,
    r.PartitionChangeRecord: Delta._partition_change,
    r.FenceBrokerRecord: Delta._fence,
    r.UnfenceBrokerRecord: Delta._unfence,
    r.RemoveTopicRecord: Delta._remove_topic,
    r.DelegationTokenRecord: Delta._token,
    r.UserScramCredentialRecord: Delta._scram_credential,
    r.FeatureLevelRecord: Delta._feature,
    r.ClientQuotaRecord: Delta._quota,
    r.ProducerIdsRecord: Delta._producer_ids,
    r.BrokerRegistrationChangeRecord: Delta._broker_change,
    r.AccessControlEntryRecord: Delta._acl,
    r.RemoveAccessControlEntryRecord: Delta._remove_acl,
    r.NoOpRecord: Delta._nothing,
    r.ZkMigrationStateRecord: Delta._nothing,
    r.RemoveUserScramCredentialRecord: Delta._remove_scram,
    r.BeginTransactionRecord: Delta._nothing,
    r.EndTransactionRecord: Delta._nothing,
    r.AbortTransactionRecord: Delta._abort,
    r.RemoveDelegationTokenRecord: Delta._remove_token,
    r.RegisterControllerRecord: Delta._register_controller,
    r.ClearElrRecord: Delta._clear_elr,
}
