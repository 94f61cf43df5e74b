"""kcli cluster rolling-restart under clients that nobody here wrote: they see nothing of it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from kcli.testing import Cluster
from tests.support.clients import librdkafka_admin, rdkafka
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)
PARTITIONS = 4
# What a client tells of connections that broke, and heals by itself.
TOLD_ONLY = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "cluster", brokers=3) as running:
        topic = rdkafka.NewTopic("t", PARTITIONS, 3, config={"min.insync.replicas": "2"})
        admin = librdkafka_admin(running.bootstrap)
        admin.create_topics([topic])["t"].result(60)
        yield running


class Load:
    """Writes numbers with acks all, and reads them, until it is stopped."""

    def __init__(self, cluster: Cluster) -> None:
        self.errors: list[str] = []
        self.acknowledged: set[int] = set()
        self.read: list[int] = []
        self._stop = threading.Event()
        common: dict[str, Any] = {"bootstrap.servers": cluster.bootstrap, "error_cb": self._heard}
        self._producer = Producer({**common, "acks": "all", "enable.idempotence": True, "linger.ms": 5})
        self._consumer = Consumer({**common, "group.id": "unused", "enable.auto.commit": False})
        self._consumer.assign([TopicPartition("t", partition, 0) for partition in range(PARTITIONS)])
        self._threads = [threading.Thread(target=body) for body in (self._produce, self._consume)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        until(lambda: self.read, 60, "the first record")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._consumer.close()

    def _heard(self, error: KafkaError) -> None:
        if error.code() not in TOLD_ONLY:
            self.errors.append(str(error))

    def _produce(self) -> None:
        number = 0
        while not self._stop.is_set():
            self._producer.produce("t", b"%d" % number, partition=number % PARTITIONS, callback=self._sent)
            self._producer.poll(0.002)
            number += 1
        if left := self._producer.flush(60):
            self.errors.append(f"{left} records were not acknowledged")

    def _sent(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.errors.append(str(error))
        else:
            self.acknowledged.add(int(message.value()))

    def _consume(self) -> None:
        while not (
            self._stop.is_set() and not self._threads[0].is_alive() and len(self.read) >= len(self.acknowledged)
        ):
            for message in self._consumer.consume(1000, 0.1):
                if message.error() is not None:
                    self.errors.append(str(message.error()))
                else:
                    self.read.append(int(message.value() or b"-1"))


def kcli(cluster: Cluster, *line: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "kcli", "cluster", *line, "--dir", str(cluster.dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_clients_see_no_error_while_every_node_is_restarted(cluster: Cluster) -> None:
    with Load(cluster) as load, kcli(cluster, "rolling-restart") as restarting:
        out, err = restarting.communicate(timeout=200)
    assert (err, restarting.returncode) == ("", 0)
    assert sorted(re.findall(r"Node (\d) restarted in [\d.]+ s\.", out)) == ["0", "1", "2"]
    assert load.errors == []
    assert sorted(load.read) == sorted(load.acknowledged)
    assert [cluster.log(node).count("is ready") for node in cluster.nodes] == [2, 2, 2]


def test_an_interrupt_says_where_it_was_and_leaves_all_nodes_running(cluster: Cluster) -> None:
    before = {node: (cluster.dir / f"node-{node}" / "process").read_text() for node in cluster.nodes}
    with kcli(cluster, "rolling-restart") as restarting:
        until(
            lambda: any(
                not (place := cluster.dir / f"node-{node}" / "process").exists() or place.read_text() != told
                for node, told in before.items()
            ),
            100,
            "the first stop",
        )
        restarting.send_signal(signal.SIGINT)
        out, err = restarting.communicate(timeout=100)
    assert (out, restarting.returncode) == ("", 130)
    assert re.fullmatch(
        r"Interrupted at node \d, which runs\. Restarted: [\d, none]+\. Not yet: [\d, none]+\.",
        err.splitlines()[0],
    )
    until(lambda: {cluster.state(node) for node in cluster.nodes} == {"running"}, 60, "all nodes")


def test_a_node_that_does_not_run_keeps_the_others_from_being_restarted(cluster: Cluster) -> None:
    cluster.stop(1)
    with kcli(cluster, "rolling-restart") as restarting:
        out, err = restarting.communicate(timeout=60)
    assert (out, restarting.returncode) == ("", 1)
    assert err == f"Node 1 does not run: it is stopped.\nFirst: kcli cluster start 1 --dir {cluster.dir}\n"


def test_a_partition_takes_the_leaders_from_the_smaller_side_until_it_is_healed(cluster: Cluster) -> None:
    def described() -> str:
        with subprocess.Popen(
            [sys.executable, "-m", "kcli", "topics", "--describe", "--bootstrap-server", cluster.addresses[1]],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as asking:
            return asking.communicate(timeout=60)[0]

    with kcli(cluster, "partition", "0 | 1,2") as parting:
        assert parting.communicate(timeout=60) == ("Cut off from one another: 0 | 1,2\n", "")
    until(lambda: "Leader: 0" not in described(), 100, "other leaders")
    assert all(isr == {"1", "2"} for isr in isrs(described()))
    with kcli(cluster, "heal") as healing:
        assert healing.communicate(timeout=60) == ("All nodes reach one another again.\n", "")
    until(lambda: all(isr == {"0", "1", "2"} for isr in isrs(described())), 100, "all replicas in sync")
    with kcli(cluster, "heal") as healing:
        assert healing.communicate(timeout=60) == ("Nothing is cut.\n", "")


def isrs(described: str) -> list[set[str]]:
    return [set(isr.split(",")) for isr in re.findall(r"Isr: ([\d,]*)", described)]
