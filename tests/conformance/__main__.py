"""python -m tests.conformance: Apache Kafka's tools against our broker, kcli against Kafka's, data folders both ways.

Prints a table; exit 1 if a check fails. `--only WORD` runs the checks with WORD in their name, `--disk PATH` adds a
data folder that Apache Kafka wrote (or an archive of one), `--record NAME ...` makes golden records anew instead.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from confluent_kafka import KafkaException

from tests.conformance import checks, failover, groups, mixed_steps, moving, recording, safe_moves, walking
from tests.conformance.checks import Bench
from tests.support.broker import Broker
from tests.support.kafka import KafkaBroker, Unavailable

TABLE: list[tuple[str, Callable[[Bench], str]]] = [
    ("kafka-topics on our broker", checks.same_as_recorded("topics")),
    ("kafka-console-producer and -consumer on our broker", checks.same_as_recorded("console")),
    ("kafka-producer-perf-test on our broker", checks.perf_test),
    ("kafka-configs on our broker", checks.configs),
    ("kafka-dump-log on our files", checks.dump_log),
    ("other tools of Kafka on our broker", checks.other_tools),
    ("kafka-console-consumer in a group of our broker", groups.read_by_group),
    ("kafka-console-consumer in a group of the new protocol", groups.read_by_consumer_group),
    ("Kafka's producer and consumer while our leader is killed", failover.failover),
    ("kcli topics on Kafka's broker", checks.kcli_as_recorded("topics")),
    ("kcli console tools on Kafka's broker", checks.kcli_as_recorded("console")),
    ("kcli metadata-quorum on Kafka's broker", checks.kcli_as_recorded("quorum")),
    ("kcli get-offsets on Kafka's broker", checks.kcli_as_recorded("get-offsets")),
    ("kcli delete-records on Kafka's broker", checks.kcli_as_recorded("delete-records")),
    ("kcli consumer-groups on Kafka's broker", checks.kcli_as_recorded("consumer-groups")),
    ("kcli reassign on Kafka's broker", checks.kcli_as_recorded("reassign-partitions")),
    ("kafka-reassign-partitions on our broker", checks.same_as_recorded("reassign-partitions")),
    ("kafka-reassign-partitions on four of our brokers", walking.walk(Broker, theirs=True)),
    ("kcli reassign on four of Kafka's brokers", walking.walk(walking.SmallKafkaBroker, theirs=False)),
    ("kcli reassign beside Kafka's tool on its brokers", walking.side_by_side),
    ("kcli reassign drain and apply on Kafka's brokers", safe_moves.on(walking.SmallKafkaBroker)),
    ("moving in: our server on Kafka's folder", moving.move(KafkaBroker, Broker)),
    ("moving out: Kafka on our folder", moving.move(Broker, KafkaBroker)),
    *mixed_steps.rows(),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--disk", type=Path)
    parser.add_argument("--record", nargs="+", choices=recording.names(), default=[])
    given = parser.parse_args()
    try:
        if given.record:
            for name in given.record:
                say(f"{name}: {recording.record(name)} calls")
            return 0
        table = [*TABLE, *([("moving in: the given folder", moving.from_given_disk)] if given.disk else [])]
        return run([row for row in table if given.only in row[0]], given.disk)
    except Unavailable as e:
        say(str(e))
        return 1


def run(table: list[tuple[str, Callable[[Bench], str]]], disk: Path | None) -> int:
    failed: list[tuple[str, BaseException]] = []
    width = max(len(name) for name, _ in table)
    with tempfile.TemporaryDirectory(prefix="kcli-conformance-") as folder:
        bench = Bench(Path(folder), disk)
        with bench.stack:
            for name, check in table:
                started = monotonic()
                try:
                    result, note = "passed", check(bench)
                except (AssertionError, OSError, subprocess.SubprocessError, KafkaException) as e:
                    result, note = "FAILED", str(e).partition("\n")[0][:120]
                    failed.append((name, e))
                say(f"{name.ljust(width)}  {result}  {monotonic() - started:6.1f} s  {note}")
    for name, error in failed:
        say(f"\n{name}: {error}")
    return 1 if failed else 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
