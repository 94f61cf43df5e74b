"""Groups of KIP-848, with clients that nobody here wrote: librdkafka and Kafka's own consumer, alone and together."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from tests.conformance.test_groups import Rd, share, shared
from tests.support import kafka
from tests.support.clients import create_topic, librdkafka_admin, produce
from tests.support.cluster import Cluster
from tests.support.nodes import Node
from tests.support.waiting import until

PROPERTIES = {
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "300",
    "offsets.topic.num.partitions": "5",
    "offsets.topic.replication.factor": "1",
}
VALUES = [b"%d" % number for number in range(100)]
WAIT_S = 60


class Member(Rd):
    """A consumer of librdkafka that speaks the new protocol."""

    def __init__(self, bootstrap: str, topic: str, group: str, **config: Any) -> None:
        self.consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "group.protocol": "consumer",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **config,
            }
        )
        self.values = []
        self.consumer.subscribe([topic])


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, broker_kind: type[Node]) -> Iterator[Node]:
    with broker_kind(tmp_path_factory.mktemp("consumer-groups"), PROPERTIES) as node:
        yield node


@pytest.mark.parametrize("config", [{}, {"group.remote.assignor": "range"}], ids=["uniform", "range"])
def test_librdkafka_consumers_share_and_take_over(broker: Node, config: dict[str, str]) -> None:
    topic = create_topic(broker.bootstrap, partitions=4)
    for partition in range(4):
        produce(broker.bootstrap, topic, VALUES, partition=partition)
    group = f"g-{topic}"
    a, b = (Member(broker.bootstrap, topic, group, **config) for _ in range(2))
    with closing(a):
        with closing(b):
            until(lambda: shared(4, a, b), WAIT_S, "two consumers to share four partitions")
            until(lambda: share(a, b) is not None and len(set(a.values + b.values)) == 100, WAIT_S, "all values")
            a.consumer.commit(asynchronous=False)
        until(lambda: shared(4, a), WAIT_S, "the one that is left to own all")
        admin = librdkafka_admin(broker.bootstrap)
        listed = admin.list_consumer_groups().result(WAIT_S).valid
        assert (group, "STABLE", "CONSUMER") in {(row.group_id, row.state.name, row.type.name) for row in listed}
        described = admin.describe_consumer_groups([group])[group].result(WAIT_S)
        assert [len(member.assignment.topic_partitions) for member in described.members] == [4]


def test_an_expression_follows_new_topics(broker: Node) -> None:
    first = create_topic(broker.bootstrap, partitions=1)
    with closing(Member(broker.bootstrap, f"^{first}.*", f"g-{first}")) as a:
        until(lambda: share(a) == [{0}], WAIT_S, "the first topic")
        create_topic(broker.bootstrap, f"{first}-x", partitions=2)
        until(lambda: share(a) and len(a.consumer.assignment()) == 3, WAIT_S, "the topic that came later, too")


def test_kafkas_consumer_shares_with_librdkafka_and_its_share_is_taken_over(broker: Node) -> None:
    topic = create_topic(broker.bootstrap, partitions=4)
    group = f"g-{topic}"
    with closing(Member(broker.bootstrap, topic, group)) as a:
        until(lambda: shared(4, a), WAIT_S, "one consumer to own all")
        how = ("--topic", topic, "--group", group, "--command-property", "group.protocol=consumer")
        command = kafka.tool_command("console-consumer", "--bootstrap-server", broker.bootstrap, *how)
        theirs = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: share(a) and len(a.partitions) == 2, WAIT_S, "the other to take its half")
        finally:
            theirs.kill()
            theirs.wait()
        until(lambda: shared(4, a), WAIT_S, "the half of the one that was killed")


def test_a_group_outlives_its_coordinator(tmp_path: Path) -> None:
    """Nobody's partitions or epoch change when the broker that coordinates is killed."""
    properties = PROPERTIES | {
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "3",
        "min.insync.replicas": "2",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "group.consumer.session.timeout.ms": "20000",
    }
    with Cluster(tmp_path, brokers=3, properties=properties) as cluster:
        topic = create_topic(cluster.bootstrap, partitions=4, replicas=3)
        a, b = (Member(cluster.bootstrap, topic, "g") for _ in range(2))
        with closing(a), closing(b):
            until(lambda: shared(4, a, b), WAIT_S, "two consumers to share")
            owned = [a.partitions, b.partitions]
            coordinator = leader_of_offsets(cluster)
            cluster.nodes[coordinator].kill()

            def moved() -> bool:
                share(a, b)
                return leader_of_offsets(cluster) not in (-1, coordinator)

            until(moved, WAIT_S, "another coordinator")
            places = [confluent_kafka.TopicPartition(topic, index, 7) for index in sorted(a.partitions)]

            def commits() -> bool:
                share(a, b)
                try:
                    a.consumer.commit(offsets=places, asynchronous=False)
                except confluent_kafka.KafkaException:
                    return False
                return True

            until(commits, WAIT_S, "a commit with the next coordinator")
            assert [a.partitions, b.partitions] == owned


def leader_of_offsets(cluster: Cluster) -> int:
    view = cluster.view()
    return -1 if view is None else view.leaders("__consumer_offsets")[0]
