"""kcli console-consumer as a member of groups: partitions are shared, taken over, read on from what was printed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.broker import ROOT
from tests.support.clients import create_topic, produce
from tests.support.cluster import Cluster
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
QUICK = "--command-property session.timeout.ms=3000 --command-property heartbeat.interval.ms=200"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, broker_kind: type[Node]) -> Iterator[Node]:
    with broker_kind(tmp_path_factory.mktemp("kcligroups"), PROPERTIES) as node:
        yield node


class Consumer:
    """A console-consumer that runs; what it prints goes to a file."""

    def __init__(self, node: Node | Cluster, out: Path, line: str) -> None:
        args = [sys.executable, "-m", "kcli", "console-consumer", "--bootstrap-server", node.bootstrap, *line.split()]
        self._out = out
        with out.open("wb") as file:
            self.process = subprocess.Popen(
                args, stdout=file, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )

    @property
    def values(self) -> list[bytes]:
        return self._out.read_bytes().splitlines()

    def stop(self, number: int = signal.SIGINT) -> tuple[str, int]:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[str, int]:
        _, err = self.process.communicate(timeout=WAIT_S)
        return err.decode(), self.process.returncode


@contextmanager
def consumer(node: Node | Cluster, out: Path, topic: str, more: str = "") -> Iterator[Consumer]:
    running = Consumer(node, out, f"--topic {topic} --group g-{topic} --from-beginning {QUICK} {more}")
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def test_what_was_printed_is_committed_and_the_next_one_goes_on(node: Node, tmp_path: Path) -> None:
    topic = create_topic(node.bootstrap, partitions=2)
    for partition in range(2):
        produce(node.bootstrap, topic, VALUES, partition=partition)
    with consumer(node, tmp_path / "1", topic, "--max-messages 130") as first:
        assert first.ended() == ("Processed a total of 130 messages\n", 0)
    with consumer(node, tmp_path / "2", topic, "--timeout-ms 4000") as second:
        assert second.ended() == ("Processed a total of 70 messages\n", 0)
    assert sorted(first.values + second.values) == sorted(VALUES * 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_commits_and_leaves(node: Node, tmp_path: Path, number: int) -> None:
    topic = create_topic(node.bootstrap)
    produce(node.bootstrap, topic, VALUES)
    with consumer(node, tmp_path / "1", topic) as first:
        until(lambda: len(first.values) == 100, WAIT_S, "the records")
        assert first.stop(number) == ("Processed a total of 100 messages\n", 128 + number)
    produce(node.bootstrap, topic, [b"new"])
    with consumer(node, tmp_path / "2", topic, "--max-messages 1") as second:
        assert second.ended() == ("Processed a total of 1 messages\n", 0)
    assert second.values == [b"new"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_two_share_the_partitions_and_one_takes_over(node: Node, tmp_path: Path, number: int) -> None:
    topic = create_topic(node.bootstrap, partitions=4)
    with consumer(node, tmp_path / "1", topic) as first, consumer(node, tmp_path / "2", topic) as second:
        sent = 0

        def both_have_read() -> bool:
            nonlocal sent
            for partition in range(4):
                produce(node.bootstrap, topic, [b"%d" % sent], partition=partition)
                sent += 1
            return bool(first.values and second.values)

        until(both_have_read, WAIT_S, "records on both sides")
        until(lambda: len(first.values) + len(second.values) >= sent, WAIT_S, "all records")
        second.stop(number)
        for partition in range(4):
            produce(node.bootstrap, topic, [b"after"], partition=partition)
        until(lambda: first.values.count(b"after") == 4, WAIT_S, "the other's partitions")
        assert first.stop()[1] == 130
    found = [value for value in first.values + second.values if value != b"after"]
    assert set(found) == {b"%d" % value for value in range(sent)}
    if number == signal.SIGINT:  # one that is killed has not committed its last
        assert len(found) == sent


def test_a_measured_run_commits_what_it_has_counted(node: Node) -> None:
    topic = create_topic(node.bootstrap, partitions=2)
    for partition in range(2):
        produce(node.bootstrap, topic, VALUES, partition=partition)
    line = f"consumer-perf-test --topic {topic} --group p-{topic} --hide-header --timeout 3000 --num-records"
    counts = []
    for wanted in ("200", "1"):
        args = [sys.executable, "-m", "kcli", *line.split(), wanted, "--bootstrap-server", node.bootstrap]
        done = subprocess.run(args, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
        counts.append((done.stdout.decode().splitlines()[-1].split(", ")[4], done.returncode))
    assert counts == [("200", 0), ("0", 1)]
