"""Produce and consume with clients that nobody here wrote, as tests want it: everything, in order, with deadlines."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import uuid4

import confluent_kafka
import kafka

from tests.support.waiting import until

# Any: the package's own names are not exported to type checkers.
rdkafka: Any = importlib.import_module("confluent_kafka.admin")
WAIT_S = 30.0


@dataclass(frozen=True)
class Record:
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = -1


def librdkafka_admin(bootstrap: str) -> Any:
    return rdkafka.AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def create_topic(bootstrap: str, name: str = "", partitions: int = 1, replicas: int = 1, **config: str) -> str:
    """Make a topic, by default with a name of its own; config names with `_` for `.`. Returns its name."""
    name = name or f"t-{uuid4().hex[:12]}"
    settings = {key.replace("_", "."): value for key, value in config.items()}
    topic = rdkafka.NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=settings)
    admin = librdkafka_admin(bootstrap)  # kept: without it the client is gone before its answer is there
    for future in admin.create_topics([topic]).values():
        future.result(WAIT_S)
    return name


@dataclass
class Sent:
    """What became of what was sent: offsets by value, and errors by value."""

    offsets: dict[bytes, int]
    errors: dict[bytes, str]


def produce(
    bootstrap: str,
    topic: str,
    values: Sequence[bytes],
    *,
    partition: int = 0,
    config: Mapping[str, Any] | None = None,
    **each: Any,
) -> Sent:
    """Send with librdkafka and wait for every answer. `each`: what all records have (key, headers, timestamp)."""
    sent = Sent({}, {})

    def delivered(error: Any, message: Any) -> None:
        if error:
            sent.errors[message.value()] = error.name()
        else:
            sent.offsets[message.value()] = message.offset()

    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **(config or {})})
    for value in values:
        producer.produce(topic, value, partition=partition, on_delivery=delivered, **each)
    left = producer.flush(WAIT_S)
    assert not left, f"{left} of {len(values)} records have no answer"
    return sent


@contextmanager
def librdkafka_consumer(bootstrap: str, config: Mapping[str, Any] | None = None) -> Iterator[Any]:
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": "none",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "check.crcs": True,
    }
    consumer = confluent_kafka.Consumer({**settings, **(config or {})})
    try:
        yield consumer
    finally:
        consumer.close()


def consume(bootstrap: str, topic: str, *, partition: int = 0, start: int = 0) -> list[Record]:
    """Read a partition with librdkafka from `start` up to its end."""
    got: list[Record] = []
    deadline = monotonic() + WAIT_S
    with librdkafka_consumer(bootstrap) as consumer:
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, start)])
        while monotonic() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            error = message.error()
            if error and error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                return got
            assert not error, f"{error}"
            got.append(
                Record(
                    message.offset(),
                    message.value(),
                    message.key(),
                    tuple(message.headers() or ()),
                    message.timestamp()[1],
                )
            )
    raise TimeoutError(f"{len(got)} records of {topic}-{partition} came, and no end")


def consume_with_kafka_python(bootstrap: str, topic: str, *, partition: int = 0, start: int = 0) -> list[Record]:
    """Read a partition with kafka-python from `start` up to what is its end now."""
    got: list[Record] = []
    deadline = monotonic() + WAIT_S
    where = kafka.TopicPartition(topic, partition)
    with closing(kafka.KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)) as consumer:
        consumer.assign([where])
        consumer.seek(where, start)
        end = consumer.end_offsets([where])[where]
        while consumer.position(where) < end:
            assert monotonic() < deadline, f"{len(got)} records of {topic}-{partition} came, and the end is {end}"
            for rows in consumer.poll(timeout_ms=1000).values():
                got += [Record(r.offset, r.value, r.key, tuple(r.headers), r.timestamp) for r in rows]
    return got


def log_start(consumer: Any, topic: str, partition: int) -> int:
    """The first offset of a partition, once it has a leader that answers."""

    def ask() -> int | None:
        try:
            low, _ = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=5)
        except confluent_kafka.KafkaException:
            return None
        return int(low) + 1  # never 0: `until` asks again for what is not true

    return (until(ask, WAIT_S, f"a leader of {topic}-{partition}") or 0) - 1
