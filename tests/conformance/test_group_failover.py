"""Three broker processes, and the one that coordinates a group is killed: nobody rebalances, no offset is lost."""

from contextlib import closing
from pathlib import Path
from typing import Any

import confluent_kafka

from tests.conformance.test_groups import Rd, share, shared
from tests.conformance.test_kcli_groups import consumer
from tests.support.clients import create_topic, produce
from tests.support.cluster import Cluster
from tests.support.waiting import until

PROPERTIES = {
    "group.initial.rebalance.delay.ms": "100",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "3",
    "min.insync.replicas": "2",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}
VALUES = [b"%d" % number for number in range(100)]
WAIT_S = 60


def leader_of_offsets(cluster: Cluster) -> int:
    view = cluster.view()
    return -1 if view is None else view.leaders("__consumer_offsets")[0]


def test_a_group_outlives_its_coordinator(tmp_path: Path) -> None:
    with Cluster(tmp_path, brokers=3, properties=PROPERTIES) as cluster:
        topic = create_topic(cluster.bootstrap, partitions=2, replicas=3)
        for partition in range(2):
            produce(cluster.bootstrap, topic, VALUES, partition=partition)
        changes: list[Any] = []
        a, b = (Rd(cluster.bootstrap, topic, "g", "range", **{"session.timeout.ms": 20_000}) for _ in range(2))
        with closing(a), closing(b):
            until(lambda: shared(2, a, b), WAIT_S, "two consumers to share")
            until(lambda: share(a, b) is not None and len(a.values) == len(b.values) == 100, WAIT_S, "all values")
            for each in (a, b):
                each.consumer.commit(asynchronous=False)
                each.consumer.subscribe([topic], on_revoke=lambda *told: changes.append(told))
            until(lambda: shared(2, a, b), WAIT_S, "them to share anew, with a callback")
            changes.clear()
            owned = [a.partitions, b.partitions]
            coordinator = leader_of_offsets(cluster)
            cluster.nodes[coordinator].kill()

            def moved() -> bool:
                share(a, b)
                return leader_of_offsets(cluster) not in (-1, coordinator)

            until(moved, WAIT_S, "another coordinator")

            def committed() -> bool:
                share(a, b)
                places = [confluent_kafka.TopicPartition(topic, index) for index in range(2)]
                try:
                    return [place.offset for place in a.consumer.committed(places, 5)] == [100, 100]
                except confluent_kafka.KafkaException:
                    return False

            until(committed, WAIT_S, "the committed offsets")
            for each in (a, b):
                again = [confluent_kafka.TopicPartition(topic, index, 100) for index in each.partitions]
                each.consumer.commit(offsets=again, asynchronous=False)
            assert [a.partitions, b.partitions] == owned
            assert changes == []


def test_console_consumers_outlive_their_coordinator(tmp_path: Path) -> None:
    """Nothing that was printed is printed again, and nothing is left out."""
    with Cluster(tmp_path, brokers=3, properties=PROPERTIES) as cluster:
        topic = create_topic(cluster.bootstrap, partitions=2, replicas=3)
        slow = "--command-property session.timeout.ms=20000"
        first = consumer(cluster, tmp_path / "1", topic, slow)
        second = consumer(cluster, tmp_path / "2", topic, slow)
        with first as a, second as b:

            def send(expected: int) -> None:
                for partition in range(2):
                    produce(cluster.bootstrap, topic, VALUES, partition=partition)
                until(lambda: len(a.values) + len(b.values) >= expected, WAIT_S, f"{expected} records")

            send(200)
            coordinator = leader_of_offsets(cluster)
            cluster.nodes[coordinator].kill()
            until(lambda: leader_of_offsets(cluster) not in (-1, coordinator), WAIT_S, "another coordinator")
            send(400)
            assert (a.stop()[1], b.stop()[1]) == (130, 130)
            assert sorted(a.values + b.values) == sorted(VALUES * 4)
        with consumer(cluster, tmp_path / "3", topic, f"{slow} --timeout-ms 6000") as third:
            third.ended()
            assert third.values == []
