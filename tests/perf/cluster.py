"""python -m tests.perf --only cluster: three nodes of ours beside three of Apache Kafka's, in turn.

How fast they are up, how long writes stall when a leader dies or stops, what replication leaves of the throughput, and
what 10,000 partitions cost. Clients are librdkafka with its defaults, the same for both sides.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import confluent_kafka

from tests.perf.measures import MB, Row, process, resident_mb
from tests.perf.trio import WAIT_S, Trio
from tests.support import kafka
from tests.support.broker import Broker
from tests.support.nodes import Node

if TYPE_CHECKING:
    from tests.perf.__main__ import Bench

KCLI = str(Path(sys.executable).with_name("kcli"))
KINDS: tuple[type[Node], type[Node]] = (Broker, kafka.KafkaBroker)
TOPICS, PARTITIONS = 1_000, 10
KILLS = 5
STEP_S = 0.002  # between two records of the writer that watches for gaps
BEFORE_S, AFTER_S = 1.0, 2.0  # how long it writes before a node goes, and after the writes went on
RECORDS, RECORD_BYTES = 150_000, 1000


def cluster(bench: "Bench") -> Iterator[Row]:
    yield from starting(bench)
    yield from gaps(bench)
    yield from replicating(bench)
    yield from many(bench)


def starting(bench: "Bench") -> Iterator[Row]:
    """From the start of formatted nodes until each of them knows all three."""
    trios = [Trio(kind, bench.folder / f"start-{kind.__name__}") for kind in KINDS]
    times: tuple[list[float], list[float]] = ([], [])
    for trio in trios:
        trio.format()
    for _ in range(bench.rounds):
        for trio, taken in zip(trios, times, strict=True):
            started = perf_counter()
            trio.start()
            taken.append(perf_counter() - started)
            trio.stop()
    yield Row("3 nodes, from nothing to ready", "s", median(times[0]), median(times[1]))


# Gaps


class Writer:
    """Writes one record after the other, acks all, and notes when each was acknowledged."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
        self._topic = topic
        self._ending = threading.Event()
        self.acknowledged: list[float] = [perf_counter()]
        self.failed = 0
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()

    def longest_gap(self, since: float) -> float:
        times = [each for each in self.acknowledged if each >= since]
        return max(after - before for before, after in pairwise(times))

    def _told(self, error: object, _: object) -> None:
        if error:
            self.failed += 1
        else:
            self.acknowledged.append(perf_counter())

    def _run(self) -> None:
        while not self._ending.wait(STEP_S):
            if len(self._producer) < 10_000:
                self._producer.produce(self._topic, b"x" * 100, on_delivery=self._told)
            self._producer.poll(0)
        self._producer.flush(WAIT_S)


def gap(trio: Trio, topic: str, end: Callable[[Node], object], number: int) -> float:
    """The longest pause between acknowledgements around `end` of the topic's leader, which is brought back after.

    Each `number` ends it at another moment of librdkafka's second: it looks for leaders that are away once in each.
    """
    leader = trio.leader(topic)
    writer = Writer(trio.bootstrap, topic)
    writer.start()
    _pass(BEFORE_S + number / KILLS)
    since = perf_counter()
    end(leader)
    ended = perf_counter()
    while writer.acknowledged[-1] < ended:  # a record that was sent after the end has come through
        _pass(STEP_S)
    _pass(AFTER_S)
    writer.stop()
    leader.start()
    trio.wait_in_sync(1, [topic])
    return writer.longest_gap(since - BEFORE_S / 2)


def _pass(seconds: float) -> None:
    threading.Event().wait(seconds)


def gaps(bench: "Bench") -> Iterator[Row]:
    killed: tuple[list[float], list[float]] = ([], [])
    stopped: tuple[list[float], list[float]] = ([], [])
    for kind, of_kills, of_stops in zip(KINDS, killed, stopped, strict=True):
        with Trio(kind, bench.folder / f"gaps-{kind.__name__}") as trio:
            trio.create(["gaps"], 1, min_insync_replicas="2")
            of_kills += [gap(trio, "gaps", Node.kill, number) for number in range(KILLS)]
            of_stops += [gap(trio, "gaps", Node.stop, number) for number in range(KILLS)]
    what = f"kill -9 of a leader, longest gap, {{}} of {KILLS}"
    yield Row(what.format("p50"), "s", median(killed[0]), median(killed[1]))
    yield Row(what.format("max"), "s", max(killed[0]), max(killed[1]))
    what = f"clean stop of a leader, longest gap, {{}} of {KILLS}"
    yield Row(what.format("p50"), "s", median(stopped[0]), median(stopped[1]))
    yield Row(what.format("max"), "s", max(stopped[0]), max(stopped[1]))


# Throughput


def replicating(bench: "Bench") -> Iterator[Row]:
    """Both clusters stay up; they are written to in turn. One topic with a partition led by each node."""
    records = int(RECORDS * bench.scale)
    rates: tuple[list[float], list[float]] = ([], [])
    with Trio(KINDS[0], bench.folder / "write-ours") as ours, Trio(KINDS[1], bench.folder / "write-theirs") as theirs:
        for trio in (ours, theirs):
            trio.create(["write"], 3)
            trio.wait_in_sync(3, ["write"])
            _write(trio, records // 10)
        for _ in range(bench.rounds):
            for trio, of in zip((ours, theirs), rates, strict=True):
                of.append(records * RECORD_BYTES / MB / _write(trio, records))
    yield Row("rf 3, acks all, 16 KB batches", "MB/s", median(rates[0]), median(rates[1]), True)


def _write(trio: Trio, records: int) -> float:
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": trio.bootstrap,
            "acks": "all",
            "batch.size": 16_384,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1_000_000,
        }
    )
    payload = os.urandom(RECORD_BYTES)
    producer.list_topics("write", timeout=WAIT_S)
    started = perf_counter()
    for number in range(records):
        while True:
            try:
                producer.produce("write", payload, partition=number % 3)
                break
            except BufferError:
                producer.poll(0.01)
    left = producer.flush(WAIT_S)
    assert not left, f"{left} records were not acknowledged"
    return perf_counter() - started


# Many partitions


@dataclass
class Many:
    """What 10,000 partitions cost one side; seconds and MB."""

    created: float = 0
    in_sync: float = 0
    described: float = 0
    stopped: float = 0
    returned: float = 0
    rss_mb: float = 0


def many_of(kind: type[Node], folder: Path, describe: Callable[[Trio], list[str]], topics: int, rounds: int) -> Many:
    """One cluster of this kind, with so many topics of ten partitions."""
    found = Many()
    with Trio(kind, folder) as trio:
        started = perf_counter()
        trio.create((f"many-{number:04}" for number in range(topics)), PARTITIONS)
        found.created = perf_counter() - started
        trio.wait_in_sync(topics * PARTITIONS)
        trio.wait_led()
        found.in_sync = perf_counter() - started
        found.described = median(process(describe(trio)).seconds for _ in range(rounds))
        found.rss_mb = max(resident_mb(node.pid) for node in trio.nodes)
        last = trio.nodes[-1]
        started = perf_counter()
        last.stop()
        found.stopped = perf_counter() - started
        started = perf_counter()
        last.launch()  # Kafka needs minutes to come back with so many, and says so only at the end
        trio.wait_in_sync(topics * PARTITIONS)
        found.returned = perf_counter() - started
    return found


def many(bench: "Bench") -> Iterator[Row]:
    topics = int(TOPICS * bench.scale)
    ours = many_of(
        KINDS[0],
        bench.folder / "many-ours",
        lambda trio: [KCLI, "topics", "--bootstrap-server", trio.bootstrap, "--describe"],
        topics,
        bench.rounds,
    )
    theirs = many_of(
        KINDS[1],
        bench.folder / "many-theirs",
        lambda trio: kafka.tool_command("topics", "--bootstrap-server", trio.bootstrap, "--describe"),
        topics,
        bench.rounds,
    )
    what = f"{topics:,} x {PARTITIONS} partitions, rf 3"
    yield Row(f"{what}: created", "s", ours.created, theirs.created)
    yield Row(f"{what}: all in sync", "s", ours.in_sync, theirs.in_sync)
    yield Row(f"{what}: topics --describe", "s", ours.described, theirs.described)
    yield Row(f"{what}: clean stop", "s", ours.stopped, theirs.stopped)
    yield Row(f"{what}: its return in sync", "s", ours.returned, theirs.returned)
    yield Row(f"{what}: a broker's memory", "MB", ours.rss_mb, theirs.rss_mb)
