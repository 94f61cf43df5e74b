"""DescribeConfigs against what `kafka-configs.sh --describe --all` of 4.3.1 printed for Kafka (kafka_describes_*)."""

from pathlib import Path

from server.metadata import describe
from server.metadata import records as r
from server.metadata.delta import applied
from server.metadata.describe import Entry
from server.metadata.image import Image
from server.metadata.settings import broker_settings
from server.model.ids import ZERO_UUID, TopicId
from server.model.settings.effective import BrokerSettings, Source
from server.model.settings.kinds import ResourceType, Type

HERE = Path(__file__).parent
STATIC = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "broker.id": "1",
    "listeners": "PLAINTEXT://localhost:29093,CONTROLLER://localhost:29193",
    "advertised.listeners": "PLAINTEXT://localhost:29093",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.quorum.voters": "0@localhost:29192,1@localhost:29193,2@localhost:29194",
    "log.dirs": "/logs/d1",
    "num.io.threads": "8",
    "num.network.threads": "3",
    "num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "1",
}
NAMES = {
    Source.TOPIC: "DYNAMIC_TOPIC_CONFIG",
    Source.DYNAMIC_BROKER: "DYNAMIC_BROKER_CONFIG",
    Source.DYNAMIC_DEFAULT_BROKER: "DYNAMIC_DEFAULT_BROKER_CONFIG",
    Source.STATIC_BROKER: "STATIC_BROKER_CONFIG",
    Source.DEFAULT: "DEFAULT_CONFIG",
    Source.DYNAMIC_CLIENT_METRICS: "DYNAMIC_CLIENT_METRICS_CONFIG",
    Source.DYNAMIC_GROUP: "DYNAMIC_GROUP_CONFIG",
}


def image(*rows: tuple[ResourceType, str, str, str]) -> Image:
    least = r.ConfigRecord(ResourceType.BROKER, "", "min.insync.replicas", "1")
    topic = r.TopicRecord("orders", TopicId(ZERO_UUID))
    return applied(Image(), (topic, least, *(r.ConfigRecord(*row) for row in rows)))


def told(entries: list[Entry]) -> list[str]:
    """As the tool prints it: null for nothing, an empty value for a default that is empty."""
    return [line(entry) for entry in entries]


def line(entry: Entry) -> str:
    synonyms = ", ".join(f"{NAMES[each.source]}:{each.name}={each.value}" for each in entry.synonyms)
    value = "null" if entry.value is None else entry.value
    return f"{entry.name}={value} sensitive={str(entry.sensitive).lower()} synonyms={{{synonyms}}}"


def recorded(name: str) -> list[str]:
    return (HERE / f"kafka_describes_{name}.txt").read_text().splitlines()


def one(entries: list[Entry], name: str) -> Entry:
    return next(entry for entry in entries if entry.name == name)


def test_a_topic_is_described_as_by_kafka() -> None:
    found = image()
    assert told(describe.topic(found, broker_settings(found, STATIC, 1), "orders")) == recorded("topic")


def test_a_broker_is_described_as_by_kafka() -> None:
    threads = "log.cleaner.threads"
    found = image((ResourceType.BROKER, "", threads, "2"), (ResourceType.BROKER, "1", threads, "2"))
    assert told(describe.broker(broker_settings(found, STATIC, 1))) == recorded("broker")


def test_a_group_is_described_as_by_kafka() -> None:
    found = image(
        (ResourceType.GROUP, "g1", "consumer.session.timeout.ms", "46000"),
        (ResourceType.GROUP, "g1", "share.auto.offset.reset", "earliest"),
    )
    assert told(describe.group(found, BrokerSettings(), "g1")) == recorded("group")


def test_a_topics_own_values_go_before_the_brokers() -> None:
    """configs.record: after --add-config retention.ms=60000,cleanup.policy=[compact,delete]."""
    found = image(
        (ResourceType.TOPIC, "orders", "cleanup.policy", "compact,delete"),
        (ResourceType.TOPIC, "orders", "retention.ms", "60000"),
    )
    entries = describe.topic(found, BrokerSettings(), "orders")
    assert [line(each) for each in entries if each.source is Source.TOPIC] == [
        "cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, "
        "DEFAULT_CONFIG:log.cleanup.policy=delete}",
        "retention.ms=60000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=60000}",
    ]


def test_a_topic_names_the_brokers_synonyms_from_its_own_name_on() -> None:
    hours = describe.topic(image(), BrokerSettings({"log.retention.hours": "1"}), "orders")
    assert line(one(hours, "retention.ms")) == "retention.ms=3600000 sensitive=false synonyms={}"
    exact = describe.topic(image(), BrokerSettings({"log.retention.hours": "1", "log.retention.ms": "5"}), "orders")
    assert line(one(exact, "retention.ms")) == (
        "retention.ms=5 sensitive=false synonyms={STATIC_BROKER_CONFIG:log.retention.ms=5, "
        "STATIC_BROKER_CONFIG:log.retention.hours=1, DEFAULT_CONFIG:log.retention.hours=168}"
    )


def test_the_defaults_of_all_brokers_are_those_that_were_set() -> None:
    found = image((ResourceType.BROKER, "", "background.threads", "12"))
    assert told(describe.cluster(broker_settings(found, STATIC))) == [
        "background.threads=12 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:background.threads=12}",
        "min.insync.replicas=1 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:min.insync.replicas=1}",
    ]


def test_a_secret_is_never_told() -> None:
    entries = describe.broker(BrokerSettings({"ssl.key.password": "hush", "my.own.token": "hush"}))
    assert "hush" not in repr(entries)
    assert line(one(entries, "ssl.key.password")) == (
        "ssl.key.password=null sensitive=true synonyms={STATIC_BROKER_CONFIG:ssl.key.password=None}"
    )
    unknown = one(entries, "my.own.token")
    assert (unknown.value, unknown.sensitive, unknown.type) == (None, True, 0)


def test_a_secret_for_all_brokers_is_not_told_either() -> None:
    found = image(
        (ResourceType.BROKER, "", "my.own.token", "hush"), (ResourceType.BROKER, "", "ssl.key.password", "hush")
    )
    assert "hush" not in repr(describe.cluster(broker_settings(found, {})))


def test_what_cannot_change_at_run_time_is_read_only() -> None:
    entries = describe.broker(BrokerSettings())
    assert [one(entries, name).read_only for name in ("node.id", "log.cleaner.threads", "listeners")] == [
        True,
        False,
        False,
    ]


def test_a_rate_that_only_exists_dynamically_is_described_once_set() -> None:
    name = "leader.replication.throttled.rate"
    found = image((ResourceType.BROKER, "1", name, "100"))
    entry = one(describe.broker(broker_settings(found, {}, 1)), name)
    assert line(entry) == f"{name}=100 sensitive=false synonyms={{DYNAMIC_BROKER_CONFIG:{name}=100}}"
    assert (entry.read_only, entry.type) == (False, Type.LONG)


def test_client_metrics_show_what_is_set_and_what_is_not() -> None:
    found = image((ResourceType.CLIENT_METRICS, "m", "interval.ms", "1000"))
    assert told(describe.client_metrics(found, "m")) == [
        "interval.ms=1000 sensitive=false synonyms={DYNAMIC_CLIENT_METRICS_CONFIG:interval.ms=1000}",
        "match= sensitive=false synonyms={}",
        "metrics= sensitive=false synonyms={}",
    ]


def test_entries_say_their_type_and_what_they_are_for() -> None:
    entry = one(describe.topic(image(), BrokerSettings(), "orders"), "retention.bytes")
    assert (entry.type, entry.documentation) == (
        Type.LONG,
        "Bytes a partition may hold before old segments are dropped; -1 is no limit.",
    )


def test_only_what_was_asked_for_is_told() -> None:
    entries = describe.topic(image(), BrokerSettings(), "orders")
    assert [each.name for each in describe.only(entries, ["retention.ms", "no.such", "flush.ms"])] == [
        "flush.ms",
        "retention.ms",
    ]
    assert describe.only(entries, None) == entries
