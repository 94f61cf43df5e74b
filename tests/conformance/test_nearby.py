"""librdkafka reads from the replica in its own rack (KIP-392), in a cluster of processes that have racks."""

import json
from pathlib import Path
from typing import Any

import confluent_kafka

from tests.conformance.test_cluster import ToldCluster
from tests.support.clients import produce
from tests.support.waiting import until

TOPIC, LEADER, NEAR = "near", 0, 2
RACKS = {"replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"}
FIRST = [b"%d-" % number + b"x" * 1000 for number in range(300)]
MORE = [b"more-%d" % number for number in range(300)]
STATISTICS_MS = 100


class Reader:
    """A consumer with a rack, and what it says of itself: from which broker it fetches."""

    def __init__(self, bootstrap: str, rack: str) -> None:
        self.values: list[bytes] = []
        self._told: dict[str, Any] = {}
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "unused",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "client.rack": rack,
                "statistics.interval.ms": STATISTICS_MS,
                "stats_cb": self._hear,
            }
        )
        self._consumer.assign([confluent_kafka.TopicPartition(TOPIC, 0, 0)])

    def _hear(self, told: str) -> None:
        self._told = json.loads(told)

    def has_read(self, values: list[bytes]) -> bool:
        self.values += [each.value() or b"" for each in self._consumer.consume(500, 0.1) if each.error() is None]
        return self.values == values

    def fetches_from(self, broker: int, leader: int) -> bool:
        self._consumer.poll(0.05)
        row = self._told.get("topics", {}).get(TOPIC, {}).get("partitions", {}).get("0", {})
        return (row.get("broker"), row.get("leader")) == (broker, leader)

    def received_bytes(self, broker: int) -> int:
        return sum(each["rxbytes"] for each in self._told["brokers"].values() if each["nodeid"] == broker)

    def close(self) -> None:
        self._consumer.close()


def test_a_consumer_reads_from_the_replica_in_its_rack_and_from_another_when_that_is_gone(tmp_path: Path) -> None:
    cluster = ToldCluster(tmp_path, properties=RACKS)
    for node in cluster.nodes:
        node.properties["broker.rack"] = f"rack-{node.node_id}"
    with cluster:
        cluster.kcli("topics", "--create", "--topic", TOPIC, "--replica-assignment", "0:1:2")
        assert produce(cluster.bootstrap, TOPIC, FIRST, config={"acks": "all"}).errors == {}
        reader = Reader(cluster.bootstrap, f"rack-{NEAR}")
        try:
            until(lambda: reader.has_read(FIRST), 20, "what was written")
            until(lambda: reader.fetches_from(NEAR, LEADER), 20, "the consumer to fetch nearby")
            assert reader.received_bytes(NEAR) > reader.received_bytes(LEADER)
            assert produce(cluster.bootstrap, TOPIC, MORE, config={"acks": "all"}).errors == {}
            until(lambda: reader.has_read(FIRST + MORE), 20, "what was written then")
            assert reader.fetches_from(NEAR, LEADER)
            cluster.nodes[NEAR].kill()
            assert produce(cluster.bootstrap, TOPIC, MORE, config={"acks": "all"}).errors == {}
            until(lambda: reader.has_read(FIRST + MORE + MORE), 60, "the rest from another replica")
        finally:
            reader.close()
        cluster.nodes[NEAR].start()
