"""Groups, with clients that nobody here wrote: partitions are shared, taken over, read on from where one stopped."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import confluent_kafka
import kafka
import pytest

from tests.support.clients import create_topic, librdkafka_admin, produce
from tests.support.nodes import Node
from tests.support.waiting import until

PROPERTIES = {
    "group.initial.rebalance.delay.ms": "100",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "5",
    "offsets.topic.replication.factor": "1",
}
VALUES = [b"%d" % number for number in range(100)]
WAIT_S = 30


@pytest.fixture(scope="module")
def groups_broker(tmp_path_factory: pytest.TempPathFactory, broker_kind: type[Node]) -> Iterator[Node]:
    with broker_kind(tmp_path_factory.mktemp("groups"), PROPERTIES) as node:
        yield node


class Rd:
    """A consumer of librdkafka, and what it was given."""

    def __init__(self, bootstrap: str, topic: str, group: str, strategy: str = "range", **config: Any) -> None:
        self.consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 200,
                "partition.assignment.strategy": strategy,
                **config,
            }
        )
        self.values: list[bytes] = []
        self.consumer.subscribe([topic])

    def poll(self) -> None:
        message = self.consumer.poll(0.05)
        if message is not None and message.error() is None:
            self.values.append(message.value() or b"")

    @property
    def partitions(self) -> set[int]:
        return {place.partition for place in self.consumer.assignment()}

    def close(self) -> None:
        self.consumer.close()


def share(*consumers: Rd) -> list[set[int]]:
    for consumer in consumers:
        consumer.poll()
    return [consumer.partitions for consumer in consumers]


def shared(partitions: int, *consumers: Rd) -> bool:
    parts = share(*consumers)
    return all(parts) and sum(map(len, parts)) == partitions and set.union(*parts) == set(range(partitions))


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_librdkafka_consumers_share_and_take_over(groups_broker: Node, strategy: str) -> None:
    node = groups_broker
    topic = create_topic(node.bootstrap, partitions=4)
    for partition in range(4):
        produce(node.bootstrap, topic, VALUES, partition=partition)
    group = f"g-{topic}"
    a, b = Rd(node.bootstrap, topic, group, strategy), Rd(node.bootstrap, topic, group, strategy)
    with closing(a):
        with closing(b):
            until(lambda: shared(4, a, b), WAIT_S, "two consumers to share four partitions")
            until(lambda: share(a, b) is not None and len(set(a.values + b.values)) == 100, WAIT_S, "all values")
            a.consumer.commit(asynchronous=False)
        until(lambda: shared(4, a), WAIT_S, "the one that is left to own all")
    with closing(Rd(node.bootstrap, topic, group, strategy)) as c:
        until(lambda: shared(4, c), WAIT_S, "a third one to own all")
        places = [confluent_kafka.TopicPartition(topic, index) for index in range(4)]
        until(lambda: any(place.offset > 0 for place in c.consumer.committed(places, WAIT_S)), WAIT_S, "offsets")


def test_kafka_python_reads_on_where_it_stopped_even_after_a_restart(tmp_path: Path, broker_kind: type[Node]) -> None:
    with broker_kind(tmp_path, PROPERTIES) as node:
        topic = create_topic(node.bootstrap)
        produce(node.bootstrap, topic, VALUES)

        def read(count: int) -> list[int]:
            consumer = kafka.KafkaConsumer(
                topic,
                bootstrap_servers=node.bootstrap,
                group_id="g",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                max_poll_records=10,
                session_timeout_ms=6000,
            )
            offsets: list[int] = []

            def polled() -> bool:
                for rows in consumer.poll(timeout_ms=200).values():
                    offsets.extend(row.offset for row in rows)
                return len(offsets) >= count

            with closing(consumer):
                until(polled, WAIT_S, f"{count} records")
                consumer.commit()
            return offsets

        assert read(30) == list(range(30))
        assert read(10) == list(range(30, 40))
        node.kill()
        node.start()
        assert read(20) == list(range(40, 60))


def test_a_consumer_that_dies_is_replaced_when_its_session_is_over(groups_broker: Node) -> None:
    node = groups_broker
    topic = create_topic(node.bootstrap, partitions=2)
    group = f"g-{topic}"
    dead = Rd(node.bootstrap, topic, group, "range", **{"session.timeout.ms": 1500, "max.poll.interval.ms": 1600})
    with closing(Rd(node.bootstrap, topic, group)) as alive:
        until(lambda: shared(2, dead, alive), WAIT_S, "two consumers to share")
        until(lambda: shared(2, alive), WAIT_S, "the one that still polls to own both")  # the other polls no more
    dead.close()


def test_groups_are_listed_described_and_deleted(groups_broker: Node) -> None:
    node = groups_broker
    topic = create_topic(node.bootstrap, partitions=2)
    group, admin = f"g-{topic}", librdkafka_admin(node.bootstrap)
    with closing(Rd(node.bootstrap, topic, group)) as a:
        until(lambda: shared(2, a), WAIT_S, "an owner")
        found = admin.describe_consumer_groups([group])[group].result(WAIT_S)
        assert (found.state.name, found.partition_assignor, len(found.members)) == ("STABLE", "range", 1)
        assert {place.partition for place in found.members[0].assignment.topic_partitions} == {0, 1}
        with pytest.raises(confluent_kafka.KafkaException, match="NON_EMPTY_GROUP"):
            admin.delete_consumer_groups([group])[group].result(WAIT_S)
    listed = admin.list_consumer_groups(states={confluent_kafka.ConsumerGroupState.EMPTY}).result(WAIT_S).valid
    assert group in {row.group_id for row in listed}
    admin.delete_consumer_groups([group])[group].result(WAIT_S)
    with pytest.raises(confluent_kafka.KafkaException, match="GROUP_ID_NOT_FOUND"):
        admin.delete_consumer_groups([group])[group].result(WAIT_S)
