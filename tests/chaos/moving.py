"""python -m tests.chaos.moving: partitions that move among brokers under load, while brokers are killed.

All that a campaign judges, and: every reassignment ends, and no folder of a replica is left where none belongs.
`--rate BYTES` moves one partition at that rate instead, as a user does it (`kcli reassign-partitions --throttle`), and
holds the time that it takes against what the rate says.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic

from kcli.client import connect
from kcli.client.admin import KafkaAdmin
from kcli.errors import Failure
from kcli.properties import Connection
from tests.chaos.campaign import TOPIC, Campaign, Plan, Report
from tests.chaos.faults import Fault
from tests.support.broker import kcli
from tests.support.clients import create_topic, produce
from tests.support.cluster import Cluster
from tests.support.history import Anomaly
from tests.support.nodes import HOST
from tests.support.waiting import until

BROKERS, PARTITIONS, REPLICAS = 4, 100, 3
CANCELS, END_S, ASK_MS = 0.5, 120, 5_000
MOVED_BYTES, VALUE_BYTES = 60_000_000, 100_000
LEAST, MOST = 0.9, 1.3  # of bytes / rate


class Moving(Campaign):
    def __init__(self, plan: Plan, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        super().__init__(plan, folder, seed, say)
        self.moves = self.cancels = 0
        for node in self.cluster.nodes:
            node.properties["log.segment.delete.delay.ms"] = "1000"

    def _inflict(self, fault: Fault) -> None:
        targets = {(TOPIC, index): self.rng.sample(range(BROKERS), REPLICAS) for index in range(self.plan.partitions)}
        self.moves += self._ask(targets)
        if self.rng.random() < CANCELS:  # at once, or they would be done
            self.cancels += self._ask(dict.fromkeys(self.rng.sample(list(targets), len(targets) // 2)))
        self._never.wait(self.rng.uniform(0, 0.2))
        super()._inflict(fault)

    def _ask(self, targets: Mapping[tuple[str, int], Sequence[int] | None]) -> int:
        """How many the controller took. Those that it did not answer about may have begun all the same."""
        with suppress(Failure), admin_of(self.cluster) as admin:
            return sum(refused is None for refused in admin.alter_partition_reassignments(targets).values())
        return 0

    def _in_sync(self, seconds: float, when: str) -> None:
        def ended() -> bool:
            with suppress(Failure), admin_of(self.cluster) as admin:
                return not admin.list_partition_reassignments()
            return False

        until(ended, END_S, f"the end of all moves, {when}")
        super()._in_sync(seconds, when)

    def _compare(self) -> None:
        super()._compare()
        wanted = {
            (replica, f"{topic.name}-{partition.id}")
            for topic in self.view.topics
            for partition in topic.partitions
            for replica in partition.replicas
        }
        for node in self.cluster.nodes:
            for folder in sorted(node.data.glob(f"{TOPIC}-*")):
                if (node.node_id, folder.name) not in wanted:
                    self.report.anomalies.append(Anomaly("left-over", f"node {node.node_id}", folder.name))


def admin_of(cluster: Cluster) -> KafkaAdmin:
    places = tuple((HOST, node.port) for node in cluster.brokers)
    settings = {"request.timeout.ms": str(ASK_MS), "default.api.timeout.ms": str(ASK_MS)}
    return connect(Connection(places, settings))


def campaign(folder: Path, seed: int, seconds: float) -> int:
    plan = Plan(seconds, BROKERS, kinds=("kill",), partitions=PARTITIONS)
    moving = Moving(plan, folder, seed, say)
    report: Report = moving.run()
    say(f"{len(report.faults)} faults, {report.acknowledged} acknowledged, {moving.moves} moves, "
        f"{moving.cancels} cancelled, {len(report.anomalies)} anomalies")  # fmt: skip
    for anomaly in report.anomalies[:20]:
        say(f"  {anomaly}")
    return 1 if report.anomalies else 0


def measured(folder: Path, rate: int) -> int:
    """Move a partition from one broker to another at `rate` bytes a second."""
    with Cluster(folder, brokers=3) as cluster:
        create_topic(cluster.bootstrap, TOPIC, 1, 2)
        values = [b"%09d" % n + bytes(VALUE_BYTES) for n in range(MOVED_BYTES // VALUE_BYTES)]
        sent = produce(cluster.bootstrap, TOPIC, values)
        assert not sent.errors, sent.errors
        view = cluster.view()
        assert view is not None
        before = next(topic for topic in view.topics if topic.name == TOPIC).partitions[0].replicas
        new = next(each for each in range(3) if each not in before)
        plan = folder / "plan.json"
        row = {"topic": TOPIC, "partition": 0, "replicas": [before[0], new]}
        plan.write_text(json.dumps({"version": 1, "partitions": [row]}))
        common = ("--bootstrap-server", cluster.bootstrap, "--reassignment-json-file", str(plan))
        began = monotonic()
        told = kcli("reassign-partitions", *common, "--execute", "--throttle", str(rate))
        assert told.returncode == 0, told.stderr.decode()

        def ended() -> bool:
            with admin_of(cluster) as admin:
                return not admin.list_partition_reassignments()

        until(ended, 10 * MOVED_BYTES / rate, "the end of the move")
        took, wanted = monotonic() - began, MOVED_BYTES / rate
        verified = kcli("reassign-partitions", *common, "--verify")
        say(verified.stdout.decode())
        say(f"{MOVED_BYTES} bytes at {rate} took {took:.2f} s, {took / wanted:.2f} of bytes / rate")
        return 0 if LEAST <= took / wanted <= MOST and verified.returncode == 0 else 1


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.moving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--rate", type=int, help="measure one move at so many bytes a second")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else Random().randrange(1 << 30)
    folder = Path(tempfile.mkdtemp(prefix="kcli-moving-"))
    try:
        code = measured(folder, given.rate) if given.rate else campaign(folder, seed, given.seconds)
    except (AssertionError, TimeoutError) as e:
        say(f"{e}\nseed {seed}, kept in {folder}")
        return 1
    if code:
        say(f"seed {seed}, kept in {folder}")
    else:
        shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
