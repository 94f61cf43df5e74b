"""python -m tests.perf: kcli and our broker beside Apache Kafka's tools and broker, on this machine, in turn.

Prints a table with medians and ratios (above 1: we are faster or smaller), and asserts nothing. `--only WORD` for some
rows, `--rounds N`, `--scale F` for shorter runs.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from math import isnan
from pathlib import Path

from tests.perf.cluster import cluster
from tests.perf.measures import MB, Ran, Row, calibration, fetch, in_turn, process, produce, start_up
from tests.perf.reassign import reassign
from tests.support import kafka
from tests.support.broker import Broker
from tests.support.clients import create_topic, librdkafka_admin, rdkafka
from tests.support.nodes import Node

KCLI = str(Path(sys.executable).with_name("kcli"))
RECORD_BYTES = 1000
BATCHES: dict[str, dict[str, object]] = {
    "16 KB batches": {"batch.size": 16_384, "linger.ms": 5, "acks": "1"},
    "1 MB batches": {"batch.size": 1_000_000, "linger.ms": 20, "batch.num.messages": 100_000, "acks": "1"},
    "idempotent, acks all": {"enable.idempotence": True, "linger.ms": 5, "acks": "all"},
}


class Bench:
    def __init__(self, stack: ExitStack, folder: Path, rounds: int, scale: float) -> None:
        self.rounds, self.scale, self.folder, self._stack = rounds, scale, folder, stack
        self._nodes: dict[type[Node], Node] = {}

    def node(self, kind: type[Node]) -> Node:
        if kind not in self._nodes:
            self._nodes[kind] = self._stack.enter_context(kind(self.folder / kind.__name__))
        return self._nodes[kind]

    def both(self, do: Callable[[Node], Ran]) -> tuple[Ran, Ran]:
        ours, theirs = self.node(Broker), self.node(kafka.KafkaBroker)
        return in_turn(self.rounds, lambda: do(ours), lambda: do(theirs))

    def fresh(self, kind: type[Node]) -> Node:
        node = kind(self.folder / f"{kind.__name__}-fresh")
        node.format()
        return node


def starting(bench: Bench) -> Iterator[Row]:
    nodes = bench.fresh(Broker), bench.fresh(kafka.KafkaBroker)
    ours, theirs = in_turn(bench.rounds, lambda: start_up(nodes[0]), lambda: start_up(nodes[1]))
    yield Row("broker start until it answers", "s", ours.seconds, theirs.seconds)
    yield Row("broker memory then", "MB", ours.peak_mb, theirs.peak_mb)


def topics(bench: Bench) -> Iterator[Row]:
    node = bench.node(Broker)
    create_topic(node.bootstrap, "one")
    for count in (1, 1000):
        if count > 1:
            _create_many(node, count - 1)
        for action in ("--list", "--describe"):
            args = ("--bootstrap-server", node.bootstrap, action)
            ours, theirs = in_turn(
                bench.rounds,
                lambda args=args: process([KCLI, "topics", *args]),
                lambda args=args: process(kafka.tool_command("topics", *args)),
            )
            what = f"topics {action}, {count} topic{'s' * (count > 1)}"
            yield Row(what, "s", ours.seconds, theirs.seconds, False, ours.peak_mb, theirs.peak_mb)


def _create_many(node: Node, count: int) -> None:
    admin = librdkafka_admin(node.bootstrap)
    wanted = [rdkafka.NewTopic(f"many-{number:04}", num_partitions=3, replication_factor=1) for number in range(count)]
    for future in admin.create_topics(wanted, operation_timeout=60, request_timeout=90).values():
        future.result(120)


def clients(bench: Bench) -> Iterator[Row]:
    records = int(300_000 * bench.scale)
    size_mb = records * RECORD_BYTES / MB
    for name, config in BATCHES.items():
        topic = create_topic(bench.node(Broker).bootstrap)
        create_topic(bench.node(kafka.KafkaBroker).bootstrap, topic)
        ours, theirs = bench.both(
            lambda node, topic=topic, config=config: produce(node, topic, records, RECORD_BYTES, dict(config))  # type: ignore[misc]
        )
        yield _rate(f"librdkafka produces, {name}", size_mb, ours, theirs)
        ours, theirs = bench.both(lambda node, topic=topic: fetch(node, topic, records))  # type: ignore[misc]
        yield _rate(f"librdkafka fetches, {name}", size_mb, ours, theirs)


def _rate(what: str, size_mb: float, ours: Ran, theirs: Ran) -> Row:
    return Row(what, "MB/s", size_mb / ours.seconds, size_mb / theirs.seconds, True, ours.peak_mb, theirs.peak_mb)


def console(bench: Bench) -> Iterator[Row]:
    node = bench.node(Broker)
    count = int(1_000_000 * bench.scale)
    lines = b"".join(b"%d\n" % number for number in range(1, count + 1))
    topic = create_topic(node.bootstrap)
    args = ("--bootstrap-server", node.bootstrap, "--topic", topic)
    ours, theirs = in_turn(
        bench.rounds,
        lambda: process([KCLI, "console-producer", *args], lines),
        lambda: process(kafka.tool_command("console-producer", *args), lines),
    )
    what = f"console-producer, {count:,} lines"
    yield Row(what, "s", ours.seconds, theirs.seconds, False, ours.peak_mb, theirs.peak_mb)
    reading = (*args, "--partition", "0", "--offset", "earliest", "--max-messages", str(count))
    ours, theirs = in_turn(
        bench.rounds,
        lambda: process([KCLI, "console-consumer", *reading]),
        lambda: process(kafka.tool_command("console-consumer", *reading)),
    )
    what = f"console-consumer, {count:,} lines"
    yield Row(what, "s", ours.seconds, theirs.seconds, False, ours.peak_mb, theirs.peak_mb)


SECTIONS = {
    "start": starting,
    "topics": topics,
    "clients": clients,
    "console": console,
    "cluster": cluster,
    "reassign": reassign,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.perf", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", choices=[*SECTIONS], action="append")
    given = parser.parse_args()
    try:
        kafka.libs()
    except kafka.Unavailable as e:
        say(str(e))
        return 1
    say(f"calibration: CRC-32C {calibration():.1f} GB/s; medians of {given.rounds} rounds, the two sides in turn")
    say(f"{'':44}  {'ours':>10} {'Kafka':>10}       ratio   memory, MB")
    with tempfile.TemporaryDirectory(prefix="kcli-perf-") as folder:
        for name in given.only or SECTIONS:
            with ExitStack() as stack:
                for row in SECTIONS[name](Bench(stack, Path(folder) / name, given.rounds, given.scale)):
                    memory = f"{row.ours_mb:6.0f} {row.theirs_mb:6.0f}" if row.ours_mb else ""
                    beside = f"{row.theirs:10.2f} {row.unit:4} {row.ratio:6.1f}x"
                    alone = f"{'-':>10} {row.unit}"  # Kafka has nothing like it
                    figures = f"{row.ours:10.2f} {alone if isnan(row.theirs) else beside}"
                    say(f"{row.what:44}  {figures}  {memory}".rstrip())
    return 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
