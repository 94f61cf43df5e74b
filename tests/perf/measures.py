"""What `python -m tests.perf` measures: whole processes and their memory, and clients on one broker or the other."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import confluent_kafka
import crc32c
from confluent_kafka import TopicPartition

from tests.support.clients import librdkafka_consumer
from tests.support.nodes import Node

MB = 1_000_000
WAIT_S = 120


class Ran(NamedTuple):
    seconds: float
    peak_mb: float


class Row(NamedTuple):
    """One line of the table. `more_is_better`: a rate; else a time or a size."""

    what: str
    unit: str
    ours: float
    theirs: float
    more_is_better: bool = False
    ours_mb: float = 0
    theirs_mb: float = 0

    @property
    def ratio(self) -> float:
        """How many times better we are."""
        return self.ours / self.theirs if self.more_is_better else self.theirs / self.ours


def calibration() -> float:
    """CRC-32C of 1 MB, in GB/s: what this machine is worth today."""
    data = os.urandom(MB)
    best = 0.0
    for _ in range(20):
        started = perf_counter()
        for _ in range(10):
            crc32c.crc32c(data)
        best = max(best, 10 * MB / (perf_counter() - started) / 1e9)
    return best


def process(command: Sequence[str], stdin: bytes = b"") -> Ran:
    """Run a process to its end: wall time, and its own peak memory."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
        given.write(stdin)
        given.seek(0)
        started = perf_counter()
        child = subprocess.Popen(command, stdin=given, stdout=printed, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            printed.seek(0)
            raise RuntimeError(f"{' '.join(command)}: exit {child.returncode}\n{printed.read()[-2000:].decode()}")
    return Ran(seconds, usage.ru_maxrss / 1000)


def in_turn(rounds: int, ours: Any, theirs: Any) -> tuple[Ran, Ran]:
    """Call both sides in turn, `rounds` times; the median of each."""
    runs: tuple[list[Ran], list[Ran]] = ([], [])
    for _ in range(rounds):
        runs[0].append(ours())
        runs[1].append(theirs())
    first, second = (Ran(median(r.seconds for r in side), median(r.peak_mb for r in side)) for side in runs)
    return first, second


def start_up(node: Node) -> Ran:
    """From the start of the process until it answers; `node` is formatted and is stopped again."""
    started = perf_counter()
    node.launch()
    node.wait_ready()
    seconds = perf_counter() - started
    idle_mb = resident_mb(node.pid)
    node.stop()
    return Ran(seconds, idle_mb)


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


def produce(node: Node, topic: str, records: int, size: int, config: dict[str, Any]) -> Ran:
    """Send with librdkafka until all is acknowledged. Seconds are of the whole; memory is the broker's."""
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": node.bootstrap,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1_000_000,
            **config,
        }
    )
    payload = os.urandom(size)
    producer.list_topics(topic, timeout=WAIT_S)
    started = perf_counter()
    for _ in range(records):
        while True:
            try:
                producer.produce(topic, payload, partition=0)
                break
            except BufferError:
                producer.poll(0.01)
    left = producer.flush(WAIT_S)
    seconds = perf_counter() - started
    assert not left, f"{left} records were not acknowledged"
    return Ran(seconds, resident_mb(node.pid))


def fetch(node: Node, topic: str, records: int) -> Ran:
    """Read with librdkafka, CRCs checked."""
    with librdkafka_consumer(
        node.bootstrap,
        {
            "fetch.max.bytes": 50 * MB,
            "max.partition.fetch.bytes": 10 * MB,
            # With fewer, librdkafka stops fetching for a second whenever a broker is faster than the application.
            "queued.min.messages": 10_000_000,
            "queued.max.messages.kbytes": 1_000_000,
        },
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        consumer.consume(1, WAIT_S)
        started, got = perf_counter(), 1
        while got < records:
            found = consumer.consume(10_000, WAIT_S)
            assert found, f"{got} of {records} records came"
            got += sum(not message.error() for message in found)
        return Ran(perf_counter() - started, resident_mb(node.pid))
