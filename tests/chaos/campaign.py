"""A campaign: a real cluster under load, faults by a seed, and at the end everything that it promised is checked.

    report = Campaign(Plan(seconds=60), folder, seed=7, say=print).run()

While it runs, clients write histories. When it is over the cluster is healed, must be in sync within 30 s (I11), is
read from start to end, judged (tests/support/history.py), stopped cleanly, and its replicas' bytes are compared (I6).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import monotonic, monotonic_ns

from tests.chaos import administrator, faults, gaps, replicas
from tests.chaos.administrator import Administrator
from tests.chaos.faults import Fault, Kind
from tests.chaos.health import Health, complaints, grown
from tests.chaos.power import FragileNode
from tests.support.broker import Broker
from tests.support.clients import create_topic
from tests.support.cluster import Cluster, View
from tests.support.history import Anomaly
from tests.support.nodes import Node
from tests.support.waiting import until
from tests.support.workload import Workload

TOPIC, METADATA = "chaos", "__cluster_metadata-0"
PARTITIONS, REPLICAS, MIN_ISR = 12, 3, 2
PRODUCERS, RATE, VALUE_BYTES, MAX_UNANSWERED = 3, 300, 200, 20_000
FAULTS_A_MINUTE, RECORDS_A_SECOND = 60 / 9, 300_000 / 540  # below it, a run says nothing
HEAL_S, CALM_S, BACK_S = 30, 60, 90
CALM = 0.7  # how many faults wait for a cluster that is in sync
FLOWS_S = 0.3
AFTER_S = 10  # how long behind a fault's end its gap is looked for
QUIET_S = 2  # for the last high watermark to come around


@dataclass(frozen=True)
class Plan:
    """min_faults, min_records: the floors, and the run goes on until there are so many faults; None: by the seconds."""

    seconds: float = 60
    brokers: int = 3
    controllers: int = 0
    kinds: tuple[Kind, ...] = ("kill", "stop", "pause")
    min_faults: int | None = None
    min_records: int | None = None
    partitions: int = PARTITIONS
    downtime: float = 1.0  # what the time that nodes stay down is multiplied with

    @property
    def floors(self) -> tuple[int, int]:
        """(faults, records)"""
        by_time = int(FAULTS_A_MINUTE * self.seconds / 60), int(RECORDS_A_SECOND * self.seconds)
        return (
            by_time[0] if self.min_faults is None else self.min_faults,
            by_time[1] if self.min_records is None else self.min_records,
        )


@dataclass
class Report:
    faults: list[Fault] = field(default_factory=list)
    acknowledged: int = 0
    anomalies: list[Anomaly] = field(default_factory=list)
    gaps: dict[str, list[float]] = field(default_factory=dict)
    slowest_admin_s: float = 0.0

    def void(self, plan: Plan) -> str:
        """Why the run says nothing; empty: it does."""
        count, records = plan.floors
        if len(self.faults) < count or self.acknowledged < records:
            return f"{len(self.faults)} faults of {count}, {self.acknowledged} acknowledged records of {records}"
        return ""


class Campaign:
    def __init__(self, plan: Plan, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self.plan, self.folder, self.rng, self.say = plan, folder, Random(seed), say
        self.report = Report()
        self._never = threading.Event()
        self._over_ns = 0  # when the last fault was over and all was in sync
        self.cluster = Cluster(
            folder,
            brokers=plan.brokers,
            controllers=plan.controllers,
            properties={"log.segment.bytes": "1048576", "default.replication.factor": str(REPLICAS)},
            make=FragileNode if "power" in plan.kinds else Broker,
        )

    def run(self) -> Report:
        with self.cluster:
            create_topic(
                self.cluster.bootstrap, TOPIC, self.plan.partitions, REPLICAS, min_insync_replicas=str(MIN_ISR)
            )
            load = Workload(
                self.cluster.bootstrap, TOPIC, self.plan.partitions, PRODUCERS, VALUE_BYTES,
                rate=RATE, max_unanswered=MAX_UNANSWERED, settings={},
            )  # fmt: skip
            admin = Administrator(self.cluster.bootstrap, Random(self.rng.random()))
            load.start()
            admin.start()
            try:
                until(lambda: load.acknowledged >= RATE, HEAL_S, "the first records")
                before = self._health()
                self._torment(load)
                self._in_sync(HEAL_S, "at the end")
                self._over_ns = monotonic_ns()
                admin.stop()
                load.stop()
                self._judge(load, admin, before)
            except BaseException:
                admin.abandon()
                load.abandon()
                raise
            finally:
                self._save(load, admin)
        self._compare()
        return self.report

    # -- trouble

    def _torment(self, load: Workload) -> None:
        deadline, wanted = monotonic() + self.plan.seconds, self.plan.min_faults
        while not load.fatal and (len(self.report.faults) < wanted if wanted is not None else monotonic() < deadline):
            calm = self.rng.random() < CALM or self._wounded
            if calm:
                self._in_sync(CALM_S, "before the next fault")
                self._never.wait(self.rng.uniform(0.5, 1.5))
                until(lambda: load.fatal or load.flows(FLOWS_S), CALM_S, "an acknowledgement of every partition")
            else:
                self._never.wait(self.rng.uniform(0, 2))
            view = until(self.cluster.view, BACK_S, "a node that answers")
            assert view is not None
            fault = faults.draw(self.rng, self.plan.kinds, self.cluster, view, TOPIC)
            if fault.kind == "power" and not calm:
                continue
            fault.calm, fault.seconds = calm, fault.seconds * self.plan.downtime
            self.report.faults.append(fault)
            self._inflict(fault)

    @property
    def _wounded(self) -> bool:
        """A host that lost its page cache is to have all again before anything else may happen."""
        return bool(self.report.faults) and self.report.faults[-1].kind == "power"

    def _inflict(self, fault: Fault) -> None:
        began = datetime.now(UTC)
        fault.begun_ns = monotonic_ns()
        for node in fault.victims:
            self._down(fault, node)
        self._never.wait(fault.seconds)
        for node in fault.victims:
            if fault.kind == "pause":
                node.resume()
            else:
                node.launch()
        for node in fault.victims:
            node.wait_ready(BACK_S)
        fault.ended_ns = monotonic_ns()
        took = (fault.ended_ns - fault.begun_ns) / 1e9
        what = [fault, f"all back after {took:.1f} s", *fault.notes]
        self.say(f"{len(self.report.faults):3d} {began:%H:%M:%S.%f} {', '.join(map(str, what))}")
        for node in self.cluster.nodes:
            assert not node.ended, f"node {node.node_id} ended by itself:\n{node.log[-2000:]}"

    def _down(self, fault: Fault, node: Node) -> None:
        if fault.kind == "kill":
            node.kill()
        elif fault.kind == "pause":
            node.pause()
        elif fault.kind == "stop":
            code = node.stop()
            assert code == 0, f"node {node.node_id} stopped with {code}:\n{node.log[-2000:]}"
        else:
            assert isinstance(node, FragileNode)
            fault.notes.append(f"{node.cut_power(self.rng)} bytes lost")

    def _in_sync(self, seconds: float, when: str) -> None:
        """Wait until no partition is under-replicated."""
        lagging = ["nobody answers"]

        def whole() -> bool:
            view = self.cluster.view()
            lagging[:] = ["nobody answers"] if view is None else view.lagging
            return not lagging

        try:
            until(whole, seconds, "replicas in sync")
        except TimeoutError:
            raise AssertionError(f"not in sync within {seconds} s, {when}:\n" + "\n".join(lagging[:20])) from None

    # -- judgement

    def _judge(self, load: Workload, admin: Administrator, before: dict[int, Health]) -> None:
        report, found = self.report, self.report.anomalies
        report.acknowledged = load.acknowledged
        found += load.judge()
        found += [Anomaly("lost-place", TOPIC, each) for each in load.lost_places]
        found += [Anomaly("fatal-producer", TOPIC, each) for each in load.fatal]
        self._in_sync(HEAL_S, "after the load")
        view = self.cluster.view()
        assert view is not None
        found += administrator.check(admin.events, {topic.name for topic in view.topics})
        found += grown(before, self._health())
        self._measure(load, admin)
        self.view: View = view
        self._never.wait(QUIET_S)

    def _save(self, load: Workload, admin: Administrator) -> None:
        (self.folder / "history.jsonl").write_text("".join(event.json() + "\n" for event in list(load.events)))
        (self.folder / "admin.jsonl").write_text("".join(event.json() + "\n" for event in list(admin.events)))

    def _measure(self, load: Workload, admin: Administrator) -> None:
        times = gaps.acknowledgements(load.events)
        for number, fault in enumerate(self.report.faults):
            end = min(fault.ended_ns + AFTER_S * 10**9, self._over_ns)
            if number + 1 < len(self.report.faults):
                end = min(end, self.report.faults[number + 1].begun_ns)
            seconds, partition = gaps.longest(times, fault.begun_ns, end)
            slowest_s = admin.longest_s(fault.begun_ns, end)
            self.report.slowest_admin_s = max(self.report.slowest_admin_s, slowest_s)
            if fault.calm:
                self.report.gaps.setdefault(fault.name, []).append(seconds)
                if fault.name in gaps.ADMIN_AFTER:
                    self.report.gaps.setdefault(f"admin, {fault.name}", []).append(slowest_s)
                self.say(f"    fault {number + 1}, {fault}: nothing acknowledged for {seconds:.2f} s in {partition}")

    def _health(self) -> dict[int, Health]:
        return {node.node_id: Health.of(node.pid) for node in self.cluster.nodes}

    def _compare(self) -> None:
        """The nodes have stopped: are their files the same, and is there nothing in their logs that frightens?"""
        found = self.report.anomalies
        for topic in self.view.topics:
            for partition in topic.partitions:
                name = f"{topic.name}-{partition.id}"
                folders = [self.cluster.nodes[replica].data / name for replica in partition.replicas]
                found += [Anomaly("different-bytes", name, each) for each in replicas.differences(folders)]
        quorum = [node.data / METADATA for node in self.cluster.controllers]
        found += [Anomaly("forked-metadata", METADATA, each) for each in replicas.forks(quorum)]
        for node in self.cluster.nodes:
            found += [Anomaly("unhandled", f"node {node.node_id}", each) for each in complaints(node.log)]
