"""The admin clients of librdkafka and kafka-python make, describe, change and delete what a real broker holds."""

from collections.abc import Iterator
from typing import Any

import kafka
import pytest
from confluent_kafka import KafkaException, TopicPartition
from kafka.admin import KafkaAdminClient

from tests.support.clients import consume, create_topic, librdkafka_admin, librdkafka_consumer, produce, rdkafka
from tests.support.nodes import CLUSTER_ID, HOST, Node
from tests.support.waiting import until

WAIT_S = 30


@pytest.fixture
def admin(broker: Node) -> Any:
    return librdkafka_admin(broker.bootstrap)


@pytest.fixture
def python_admin(broker: Node) -> Iterator[Any]:
    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    yield client
    client.close()


def results(futures: dict[Any, Any]) -> dict[Any, Any]:
    """Each future's result, or the name of its error."""
    told = {}
    for key, future in futures.items():
        try:
            told[key] = future.result(WAIT_S)
        except KafkaException as e:
            told[key] = e.args[0].name()
    return told


def test_topics_are_made_described_grown_and_deleted(broker: Node, admin: Any) -> None:
    name = create_topic(broker.bootstrap, partitions=2)
    topics = admin.list_topics(timeout=WAIT_S).topics
    assert sorted(topics[name].partitions) == [0, 1]
    assert {tuple(p.replicas) for p in topics[name].partitions.values()} == {(broker.node_id,)}
    again = rdkafka.NewTopic(name, num_partitions=1, replication_factor=1)
    assert results(admin.create_topics([again])) == {name: "TOPIC_ALREADY_EXISTS"}
    assert results(admin.create_partitions([rdkafka.NewPartitions(name, 5)])) == {name: None}
    assert results(admin.create_partitions([rdkafka.NewPartitions(name, 5)])) == {name: "INVALID_PARTITIONS"}
    until(lambda: len(admin.list_topics(timeout=WAIT_S).topics[name].partitions) == 5, WAIT_S, "five partitions")
    assert results(admin.delete_topics([name])) == {name: None}
    assert results(admin.delete_topics([name])) == {name: "UNKNOWN_TOPIC_OR_PART"}
    until(lambda: name not in admin.list_topics(timeout=WAIT_S).topics, WAIT_S, "the topic to be gone")


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        (rdkafka.NewTopic("bad name", 1, 1), "TOPIC_EXCEPTION"),
        (rdkafka.NewTopic("x" * 250, 1, 1), "TOPIC_EXCEPTION"),
        (rdkafka.NewTopic("none", 0, 1), "INVALID_PARTITIONS"),
        (rdkafka.NewTopic("many", 1, 2), "INVALID_REPLICATION_FACTOR"),
        (rdkafka.NewTopic("where", 1, replica_assignment=[[7]]), "INVALID_REPLICA_ASSIGNMENT"),
        (rdkafka.NewTopic("what", 1, 1, config={"no.such": "1"}), "INVALID_CONFIG"),
        (rdkafka.NewTopic("value", 1, 1, config={"retention.ms": "abc"}), "INVALID_CONFIG"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused_and_changes_nothing(admin: Any, topic: Any, error: str) -> None:
    before = set(admin.list_topics(timeout=WAIT_S).topics)
    assert list(results(admin.create_topics([topic])).values()) == [error]
    assert set(admin.list_topics(timeout=WAIT_S).topics) == before


def test_a_trial_makes_nothing(admin: Any) -> None:
    topic = rdkafka.NewTopic("only-tried", 1, 1)
    assert results(admin.create_topics([topic], validate_only=True)) == {"only-tried": None}
    assert "only-tried" not in admin.list_topics(timeout=WAIT_S).topics


def test_configs_are_described_with_their_source_and_changed_one_by_one(broker: Node, admin: Any) -> None:
    name = create_topic(broker.bootstrap, retention_ms="60000")

    def described() -> dict[str, tuple[str | None, bool]]:
        resource = rdkafka.ConfigResource(rdkafka.ResourceType.TOPIC, name)
        (entries,) = results(admin.describe_configs([resource])).values()
        return {key: (entry.value, entry.is_default) for key, entry in entries.items()}

    assert described()["retention.ms"] == ("60000", False)
    assert described()["cleanup.policy"] == ("delete", True)
    changes = [
        rdkafka.ConfigEntry("retention.ms", None, incremental_operation=rdkafka.AlterConfigOpType.DELETE),
        rdkafka.ConfigEntry("cleanup.policy", "compact", incremental_operation=rdkafka.AlterConfigOpType.APPEND),
        rdkafka.ConfigEntry("flush.messages", "7", incremental_operation=rdkafka.AlterConfigOpType.SET),
    ]
    resource = rdkafka.ConfigResource(rdkafka.ResourceType.TOPIC, name, incremental_configs=changes)
    assert list(results(admin.incremental_alter_configs([resource])).values()) == [None]
    until(lambda: described()["flush.messages"] == ("7", False), WAIT_S, "the change to be seen")
    assert described()["retention.ms"] == ("604800000", True)
    assert described()["cleanup.policy"] == ("delete,compact", False)
    wrong = rdkafka.ConfigEntry("flush.messages", "-5", incremental_operation=rdkafka.AlterConfigOpType.SET)
    resource = rdkafka.ConfigResource(rdkafka.ResourceType.TOPIC, name, incremental_configs=[wrong])
    assert list(results(admin.incremental_alter_configs([resource])).values()) == ["INVALID_CONFIG"]
    assert described()["flush.messages"] == ("7", False)


def test_the_brokers_own_configs_are_described(broker: Node, admin: Any) -> None:
    resource = rdkafka.ConfigResource(rdkafka.ResourceType.BROKER, str(broker.node_id))
    (entries,) = results(admin.describe_configs([resource])).values()
    assert entries["log.dirs"].value == str(broker.data)
    assert entries["num.partitions"].value == "1"
    assert entries["node.id"].is_read_only


def test_deleted_records_are_not_read_again(broker: Node, admin: Any) -> None:
    name = create_topic(broker.bootstrap)
    produce(broker.bootstrap, name, [b"%d" % number for number in range(10)])
    deleted = results(admin.delete_records([TopicPartition(name, 0, 4)]))
    assert [row.low_watermark for row in deleted.values()] == [4]
    assert [record.offset for record in consume(broker.bootstrap, name, start=4)] == [4, 5, 6, 7, 8, 9]
    with librdkafka_consumer(broker.bootstrap) as consumer:
        assert consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=WAIT_S) == (4, 10)
    assert list(results(admin.delete_records([TopicPartition(name, 0, 11)])).values()) == ["OFFSET_OUT_OF_RANGE"]


def test_offsets_are_listed_by_every_spec(broker: Node, admin: Any) -> None:
    name = create_topic(broker.bootstrap)
    for number in (0, 2, 1):
        produce(broker.bootstrap, name, [b"%d" % number], timestamp=1_700_000_000_000 + number)
    where = TopicPartition(name, 0)
    asked = {
        rdkafka.OffsetSpec.earliest(): (0, -1),
        rdkafka.OffsetSpec.latest(): (3, -1),
        rdkafka.OffsetSpec.max_timestamp(): (1, 1_700_000_000_002),
        rdkafka.OffsetSpec.for_timestamp(1_700_000_000_001): (1, 1_700_000_000_002),
    }
    for spec, expected in asked.items():
        (found,) = results(admin.list_offsets({where: spec})).values()
        assert (found.offset, found.timestamp) == expected


def test_the_cluster_says_who_it_is(broker: Node, admin: Any) -> None:
    described = admin.describe_cluster(request_timeout=WAIT_S).result(WAIT_S)
    assert described.cluster_id == CLUSTER_ID
    assert [(node.id, node.host, node.port) for node in described.nodes] == [(broker.node_id, HOST, broker.port)]


def test_kafka_pythons_admin_client_is_served_too(broker: Node, python_admin: Any) -> None:
    name = create_topic(broker.bootstrap, partitions=3)
    (described,) = python_admin.describe_topics([name])
    assert [row["partition_index"] for row in described["partitions"]] == [0, 1, 2]
    produce(broker.bootstrap, name, [b"x" * 1000], partition=1)
    python_admin.delete_records({kafka.TopicPartition(name, 1): 1})
    assert consume(broker.bootstrap, name, partition=1, start=1) == []
    python_admin.delete_topics([name])
    until(lambda: name not in python_admin.list_topics(), WAIT_S, "the topic to be gone")


def test_folders_and_producers_are_described(broker: Node, python_admin: Any) -> None:
    name = create_topic(broker.bootstrap)
    produce(broker.bootstrap, name, [b"x" * 1000], config={"enable.idempotence": True})
    told = str(python_admin.describe_log_dirs())
    assert str(broker.data) in told
    assert name in told
    producers = python_admin.describe_producers([kafka.TopicPartition(name, 0)])
    assert "producer_id" in str(producers)
