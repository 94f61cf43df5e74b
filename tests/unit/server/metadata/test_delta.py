from dataclasses import replace
from typing import Any, get_args
from uuid import UUID

import pytest

from server.metadata import delta as delta_module
from server.metadata import records as r
from server.metadata.delta import Delta, Inconsistent, applied
from server.metadata.image import Broker, Image, Partition, Resource, Topic
from server.model.ids import UNASSIGNED_DIR, BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, ProducerId, TopicId

ONE, TWO, THREE = NodeId(1), NodeId(2), NodeId(3)
ORDERS, AUDIT = TopicId(UUID(int=501)), TopicId(UUID(int=502))
DIR, OTHER_DIR = DirectoryId(UUID(int=601)), DirectoryId(UUID(int=602))
EPOCH = BrokerEpoch(5)


def topic(name: str = "orders", topic_id: TopicId = ORDERS, count: int = 2) -> tuple[r.Record, ...]:
    return (r.TopicRecord(name, topic_id), *(partition(index, topic_id) for index in range(count)))


def partition(index: int, topic_id: TopicId = ORDERS) -> r.PartitionRecord:
    return r.PartitionRecord(
        index, topic_id, (ONE, TWO), (ONE, TWO), leader=ONE, leader_epoch=LeaderEpoch(0), partition_epoch=0,
        directories=(DIR, UNASSIGNED_DIR),
    )  # fmt: skip


def registered(**changes: Any) -> Broker:
    fresh = Broker(ONE, EPOCH, UUID(int=1), (), (), None, True, False, (DIR,))
    return replace(fresh, **changes)


def changed(**changes: Any) -> r.BrokerRegistrationChangeRecord:
    return r.BrokerRegistrationChangeRecord(ONE, EPOCH, **changes)


def register(broker: NodeId = ONE) -> r.RegisterBrokerRecord:
    return r.RegisterBrokerRecord(broker, False, UUID(int=1), EPOCH, rack=None, log_dirs=(DIR,))


def replayed(base: Image, *records: r.Record) -> Delta:
    delta = Delta(base)
    for record in records:
        delta.replay(record)
    return delta


def test_every_record_type_is_replayed() -> None:
    assert set(delta_module._REPLAY) == set(get_args(r.Record))


def test_a_topic_comes_with_its_partitions() -> None:
    delta = replayed(Image(), *topic())
    image = delta.image(7, 2, 99)
    made = Partition((ONE, TWO), (ONE, TWO), ONE, LeaderEpoch(0), 0, (DIR, UNASSIGNED_DIR))
    orders = Topic("orders", ORDERS, {0: made, 1: made})
    assert image == Image(7, 2, 99, topics={"orders": orders}, topic_names={ORDERS: "orders"})
    assert (delta.topics_created, delta.topics_deleted, delta.partitions_changed) == ({ORDERS}, {}, {ORDERS: {0, 1}})
    assert image.topic_of(ORDERS) == orders
    assert image.partition(ORDERS, 1) == made
    assert image.partition(AUDIT, 0) is None


def test_old_partitions_have_directories_that_nobody_assigned() -> None:
    old = r.PartitionRecord(0, ORDERS, (ONE, TWO), (ONE,), leader=ONE)
    image = applied(Image(), (r.TopicRecord("orders", ORDERS), old))
    found = image.partition(ORDERS, 0)
    assert found is not None
    assert found.directories == (UNASSIGNED_DIR, UNASSIGNED_DIR)


def test_a_change_bumps_the_partition_epoch_and_with_a_leader_the_leader_epoch() -> None:
    base = applied(Image(), topic())
    delta = replayed(
        base, r.PartitionChangeRecord(0, ORDERS, isr=(ONE,)), r.PartitionChangeRecord(0, ORDERS, leader=TWO)
    )
    assert delta.image(1, 1, 1).partition(ORDERS, 0) == Partition(
        (ONE, TWO), (ONE,), TWO, LeaderEpoch(1), 2, (DIR, UNASSIGNED_DIR)
    )
    assert delta.partitions_changed == {ORDERS: {0}}
    assert delta.topics_created == set()


def test_a_change_sets_what_it_names_and_an_empty_list_is_named() -> None:
    base = applied(Image(), topic())
    change = r.PartitionChangeRecord(0, ORDERS, (), NodeId(-1), (THREE,), (ONE,), (TWO,), 1, (DIR,), (ONE,), (TWO,))
    assert replayed(base, change).image(1, 1, 1).partition(ORDERS, 0) == Partition(
        (THREE,), (), NodeId(-1), LeaderEpoch(1), 1, (DIR,), (ONE,), (TWO,), 1, (ONE,), (TWO,)
    )


def test_what_no_record_touches_is_shared() -> None:
    base = applied(Image(), (*topic(), *topic("audit", AUDIT), register()))
    image = replayed(base, r.PartitionChangeRecord(0, ORDERS, isr=(ONE,))).image(1, 1, 1)
    assert image.brokers is base.brokers
    assert image.topics["audit"] is base.topics["audit"]
    assert image.topics["orders"].partitions[1] is base.topics["orders"].partitions[1]
    assert image.topic_names is base.topic_names


def test_the_base_stays_as_it_was() -> None:
    base = applied(Image(), (*topic(), register(), r.ConfigRecord(2, "orders", "a", "1")))
    before = repr(base)
    replayed(
        base,
        r.PartitionChangeRecord(0, ORDERS, isr=(ONE,)),
        r.UnfenceBrokerRecord(ONE, EPOCH),
        r.ConfigRecord(2, "orders", "a", "2"),
        r.RemoveTopicRecord(ORDERS),
    )
    assert repr(base) == before


def test_a_deleted_topic_takes_its_settings_along() -> None:
    base = applied(Image(), (*topic(), r.ConfigRecord(2, "orders", "retention.ms", "1")))
    delta = replayed(base, r.PartitionChangeRecord(0, ORDERS, isr=(ONE,)), r.RemoveTopicRecord(ORDERS))
    assert delta.image(base.offset, base.epoch, base.timestamp_ms) == Image()
    assert delta.topics_deleted == {ORDERS: base.topics["orders"]}
    assert (delta.partitions_changed, delta.configs_changed) == ({}, {Resource(2, "orders")})


def test_a_topic_that_comes_and_goes_in_one_delta_leaves_no_trace() -> None:
    delta = replayed(Image(), *topic(), r.RemoveTopicRecord(ORDERS))
    assert delta.image(-1, -1, -1) == Image()
    assert (delta.topics_created, delta.topics_deleted, delta.partitions_changed) == (set(), {}, {})


def test_a_name_can_be_taken_again_in_one_delta() -> None:
    base = applied(Image(), topic())
    delta = replayed(base, r.RemoveTopicRecord(ORDERS), *topic("orders", AUDIT, 1))
    image = delta.image(1, 1, 1)
    assert image.topic_names == {AUDIT: "orders"}
    assert (delta.topics_created, set(delta.topics_deleted)) == ({AUDIT}, {ORDERS})


@pytest.mark.parametrize(
    ("change", "broker"),
    [
        (r.UnfenceBrokerRecord(ONE, EPOCH), registered(fenced=False)),
        (r.FenceBrokerRecord(ONE, EPOCH), registered()),
        (changed(fenced=-1), registered(fenced=False)),
        (changed(fenced=1), registered()),
        (changed(in_controlled_shutdown=1), registered(in_controlled_shutdown=True)),
        (changed(log_dirs=(OTHER_DIR,)), registered(directories=(OTHER_DIR,))),
        (changed(cordoned_log_dirs=(DIR,)), registered(cordoned_directories=(DIR,))),
        (changed(), registered()),
    ],
)
def test_a_broker_changes(change: r.Record, broker: Broker) -> None:
    delta = replayed(applied(Image(), (register(),)), change)
    assert delta.image(1, 1, 1).brokers == {ONE: broker}
    assert delta.brokers_changed == {ONE}


def test_brokers_that_are_unfenced_and_up_are_active() -> None:
    image = applied(Image(), (register(ONE), register(TWO), register(THREE)))
    image = applied(image, (r.UnfenceBrokerRecord(THREE, EPOCH), r.UnfenceBrokerRecord(TWO, EPOCH)))
    image = applied(image, (r.BrokerRegistrationChangeRecord(TWO, EPOCH, in_controlled_shutdown=1),))
    assert image.unfenced() == (TWO, THREE)
    assert [image.is_active(each) for each in (ONE, TWO, THREE, NodeId(4))] == [False, False, True, False]


def test_a_broker_is_forgotten() -> None:
    delta = replayed(applied(Image(), (register(),)), r.UnregisterBrokerRecord(ONE, EPOCH))
    assert (delta.image(1, 1, 1).brokers, delta.brokers_changed) == ({}, {ONE})


def test_settings_are_set_and_taken_back() -> None:
    image = applied(Image(), (r.ConfigRecord(4, "", "a", "1"), r.ConfigRecord(4, "", "b", "2")))
    assert image.config(4, "") == {"a": "1", "b": "2"}
    image = applied(image, (r.ConfigRecord(4, "", "a", None),))
    assert image.config(4, "") == {"b": "2"}
    assert applied(image, (r.ConfigRecord(4, "", "b", None),)).configs == {}


def test_a_feature_at_level_0_is_off() -> None:
    image = applied(Image(), (r.FeatureLevelRecord("metadata.version", 30), r.FeatureLevelRecord("f", 2)))
    assert (image.metadata_version, image.feature("f"), image.feature("g")) == (30, 2, 0)
    assert applied(image, (r.FeatureLevelRecord("f", 0),)).features == {"metadata.version": 30}


def test_quotas_credentials_tokens_entries_and_ids() -> None:
    entity = (r.QuotaEntity("user", "ann"), r.QuotaEntity("client-id", None))
    acl = r.AccessControlEntryRecord(UUID(int=3), 2, "orders", 3, "User:ann", "*", 3, 3)
    scram = r.UserScramCredentialRecord("ann", 1, b"s", b"k", b"v", 4096)
    token = r.DelegationTokenRecord("User:ann", "User:ann", (), 1, 2, 3, "t")
    ids = r.ProducerIdsRecord(ONE, EPOCH, ProducerId(1000))
    quota = r.ClientQuotaRecord(entity, "producer_byte_rate", 5.0)
    image = applied(Image(), (quota, acl, scram, token, ids))
    assert image == Image(
        next_producer_id=ProducerId(1000),
        quotas={frozenset(entity): {"producer_byte_rate": 5.0}},
        acls={acl.id: acl},
        scram={(1, "ann"): scram},
        tokens={"t": token},
    )
    gone = (
        r.ClientQuotaRecord(tuple(reversed(entity)), "producer_byte_rate", remove=True),
        r.RemoveAccessControlEntryRecord(acl.id),
        r.RemoveUserScramCredentialRecord("ann", 1),
        r.RemoveDelegationTokenRecord("t"),
    )
    assert applied(image, gone) == Image(next_producer_id=ProducerId(1000))


def test_eligible_leaders_are_forgotten_for_one_topic_or_all() -> None:
    change = r.PartitionChangeRecord(0, ORDERS, eligible_leader_replicas=(TWO,), last_known_elr=(TWO,))
    image = applied(Image(), (*topic(), *topic("audit", AUDIT, 1), change))
    for record in (r.ClearElrRecord("orders"), r.ClearElrRecord("")):
        delta = replayed(image, record)
        found = delta.image(1, 1, 1).partition(ORDERS, 0)
        assert found is not None
        assert (found.elr, found.last_known_elr, found.partition_epoch) == ((), (), 2)
        assert delta.partitions_changed == {ORDERS: {0}}
    assert replayed(image, r.ClearElrRecord("audit")).partitions_changed == {}


def test_eligible_leaders_of_the_same_delta_are_forgotten_too() -> None:
    change = r.PartitionChangeRecord(0, ORDERS, eligible_leader_replicas=(TWO,))
    image = replayed(applied(Image(), topic()), change, r.ClearElrRecord("orders")).image(1, 1, 1)
    found = image.partition(ORDERS, 0)
    assert found is not None
    assert found.elr == ()


@pytest.mark.parametrize(
    "record",
    [
        r.TopicRecord("orders", AUDIT),
        r.RemoveTopicRecord(AUDIT),
        r.PartitionRecord(0, AUDIT),
        r.PartitionChangeRecord(9, ORDERS, isr=(ONE,)),
        r.PartitionChangeRecord(0, AUDIT, isr=(ONE,)),
        r.ClearElrRecord("audit"),
        r.FenceBrokerRecord(TWO, EPOCH),
        r.UnfenceBrokerRecord(ONE, BrokerEpoch(4)),
        r.UnregisterBrokerRecord(ONE, BrokerEpoch(4)),
        r.RemoveAccessControlEntryRecord(UUID(int=3)),
        r.AbortTransactionRecord(),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_record_that_does_not_fit_is_not_taken(record: r.Record) -> None:
    with pytest.raises(Inconsistent):
        replayed(applied(Image(), (*topic(), register())), record)


def test_partitions_are_walked_with_their_topics() -> None:
    image = applied(Image(), topic())
    assert [(found.name, index) for found, index, _ in image.all_partitions()] == [("orders", 0), ("orders", 1)]


def test_a_replica_knows_its_directory() -> None:
    found = applied(Image(), topic()).partition(ORDERS, 0)
    assert found is not None
    assert (found.directory(ONE), found.directory(TWO)) == (DIR, UNASSIGNED_DIR)
    with pytest.raises(ValueError, match="not in tuple"):
        found.directory(THREE)
