"""A mixed cluster: three combined nodes, some of ours and some of Apache Kafka, in one KRaft cluster on 127.0.0.1.

An arrangement says which nodes are whose, whether the voters are static (controller.quorum.voters, kraft.version 0) or
dynamic (kraft.version 1), and whose storage tool formats each node. The steps (tests/conformance/mixed_steps.py) share
the arrangement's cluster; the first one starts it, the last one stops it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from tests.support import kafka
from tests.support.broker import ROOT, Broker, kcli
from tests.support.clients import rdkafka
from tests.support.kafka import java, libs, tool_command
from tests.support.nodes import CLUSTER_ID, HOST, Node
from tests.support.waiting import until

WAIT_S = 60.0
START_S = 180.0  # Apache Kafka's node may have to start beside a load that takes all of the machine
OURS, THEIRS = "ours", "Apache Kafka's"
SMALL = {
    **{f"{name}.replication.factor": "3" for name in ("offsets.topic", "transaction.state.log")},
    "share.coordinator.state.topic.replication.factor": "3",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
    "replica.lag.time.max.ms": "10000",
    "metadata.log.max.record.bytes.between.snapshots": "4000",
    "metadata.max.retention.bytes": "1",
    "log.segment.bytes": "1048576",
    "min.insync.replicas": "2",
}
HEAP = ("-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class OursFormat:
    """Formats with `kcli storage format`."""

    def command(self, config: Path, options: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "kcli", "storage", "format", "-t", CLUSTER_ID, "-c", str(config), *options]


class TheirsFormat:
    """Formats with Kafka's storage tool."""

    def command(self, config: Path, options: Sequence[str]) -> list[str]:
        return tool_command("storage", "format", "-t", CLUSTER_ID, "-c", str(config), *options)


class Member(Node):
    """A node of the mixed cluster; `formatted_by` and `format_options` say how it is formatted."""

    kind = ""
    formatted_by: OursFormat | TheirsFormat
    format_options: Sequence[str] = ()

    @classmethod
    def in_place_of(cls, other: "Member") -> Self:
        """The same node, run by another server: its folder, configuration and ports."""
        node = cls(other.folder, node_id=other.node_id)
        node.port, node.controller_port, node.bootstrap = other.port, other.controller_port, other.bootstrap
        node.properties = other.properties
        return node

    def format_command(self) -> list[str]:
        return self.formatted_by.command(self.config, self.format_options)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    def wait_ready(self, seconds: float = START_S) -> None:
        super().wait_ready(seconds)

    @property
    def metadata(self) -> Path:
        return self.data / "__cluster_metadata-0"

    def checkpoints(self) -> list[str]:
        """Names of the snapshots that it holds, oldest first; without 0-0, which a formatting tool wrote."""
        names = (path.stem for path in self.metadata.glob("*.checkpoint"))
        return sorted(name for name in names if int(name.partition("-")[0]) > 0)


class OurMember(Member):
    kind = OURS
    start_command = Broker.start_command


class TheirMember(Member):
    kind = THEIRS

    def start_command(self) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={libs().parent}/broker.xml"
        return [*java("kafka.Kafka", *HEAP, logging), str(self.config)]


@dataclass(frozen=True)
class Arrangement:
    """
    kinds      whose each node is
    dynamic    the first node is formatted --standalone, the others join it
    crosswise  each node is formatted by the other side's storage tool
    """

    name: str
    kinds: tuple[str, ...]
    dynamic: bool = False
    crosswise: bool = False


ARRANGEMENTS = (
    Arrangement("two of ours, static", (OURS, OURS, THEIRS)),
    Arrangement("one of ours, static", (THEIRS, THEIRS, OURS), crosswise=True),
    Arrangement("two of ours, dynamic", (OURS, OURS, THEIRS), dynamic=True, crosswise=True),
    Arrangement("one of ours, dynamic", (THEIRS, THEIRS, OURS), dynamic=True),
)


class Mixed:
    """One cluster and what steps ask of it."""

    def __init__(self, folder: Path, arrangement: Arrangement) -> None:
        self.folder, self.arrangement = folder, arrangement
        self.stack = ExitStack()
        self.nodes: list[Member] = []
        self.topics: list[str] = []
        self.votes: set[tuple[str, str]] = set()  # whose vote elected whose controller
        for node_id, kind in enumerate(arrangement.kinds):
            made = OurMember if kind == OURS else TheirMember
            node = made(folder / f"node-{node_id}", SMALL, node_id=node_id)
            own_tool = (kind == OURS) != arrangement.crosswise
            node.formatted_by = OursFormat() if own_tool else TheirsFormat()
            self.nodes.append(node)
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes)

    # -- its life

    def up(self) -> None:
        if self.arrangement.dynamic:
            self._prepare_dynamic()
        else:
            voters = ",".join(f"{node.node_id}@{HOST}:{node.controller_port}" for node in self.nodes)
            for node in self.nodes:
                node.properties["controller.quorum.voters"] = voters
        for node in self.nodes:
            node.format()
        self.stack.callback(self.down)
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_ready()
        self.wait_unfenced()

    def _prepare_dynamic(self) -> None:
        servers = ",".join(f"{HOST}:{node.controller_port}" for node in self.nodes)
        for node in self.nodes:
            del node.properties["controller.quorum.voters"]
            node.properties["controller.quorum.bootstrap.servers"] = servers
            node.properties["controller.quorum.auto.join.enable"] = "true"
            node.format_options = ["--standalone" if node is self.nodes[0] else "--no-initial-controllers"]

    def revive(self) -> None:
        """Start what a failed step left stopped."""
        for node in self.nodes:
            if node.process is None or node.process.poll() is not None:
                node.start()
        self.wait_unfenced()

    def down(self) -> None:
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()

    # -- whom to ask

    def of(self, kind: str) -> Member:
        """A node of that kind that runs."""
        return next(node for node in self.nodes if node.kind == kind and node.process is not None)

    @property
    def running(self) -> list[Member]:
        return [node for node in self.nodes if node.process is not None]

    def kcli(self, *args: str, node: Node | None = None) -> str:
        """What kcli prints, asked of `node`. Raises AssertionError: it failed."""
        tool, *rest = args
        done = kcli(tool, "--bootstrap-server", (node or self.running[0]).bootstrap, *rest)
        assert done.returncode == 0, f"kcli {' '.join(args)}: {_tail(done)}"
        return done.stdout.decode()

    def java(self, *args: str, node: Node | None = None, stdin: bytes = b"") -> str:
        """What Kafka's tool prints, asked of `node`. Raises AssertionError: it failed."""
        tool, *rest = args
        done = kafka.tool(tool, "--bootstrap-server", (node or self.running[0]).bootstrap, *rest, stdin=stdin)
        assert done.returncode == 0, f"kafka-{' '.join(args)}: {_tail(done)}"
        return done.stdout.decode()

    def status(self, node: Node | None = None) -> Mapping[str, Any]:
        told: Mapping[str, Any] = json.loads(
            self.kcli("metadata-quorum", "describe", "--status", "--output", "json", node=node)
        )
        return told

    def controller(self) -> Member | None:
        """The active controller, if all running nodes name the same one."""
        told = {int(self.status(node)["leaderId"]) for node in self.running}
        found = self.nodes[told.pop()] if len(told) == 1 and -1 not in told else None
        return found if found in self.running else None

    def metadata_of(self, node: Node, topic: str | None = None) -> Any:
        return _admin(node).list_topics(topic, timeout=10)

    # -- what steps wait for

    def wait_unfenced(self) -> None:
        ids = {node.node_id for node in self.running}

        def all_see_all() -> bool:
            return all(set(self.metadata_of(node).brokers) == ids for node in self.running)

        until(all_see_all, WAIT_S, f"brokers {sorted(ids)} to be unfenced on every node")

    def wait_in_sync(self, topics: Sequence[str] = ()) -> None:
        """Every replica of these topics (all by default) is in sync, as every running node tells it."""

        def in_sync() -> bool:
            return not [row for node in self.running for row in self.out_of_sync(node, topics or self.topics)]

        until(in_sync, WAIT_S, f"all replicas to be in sync; {self.out_of_sync(self.running[0], self.topics)} are not")

    def out_of_sync(self, node: Node, topics: Sequence[str]) -> list[str]:
        """Partitions with a replica out of the ISR, without a leader, or not known to `node`."""
        told = self.metadata_of(node).topics
        rows = []
        for name in topics:
            partitions = told[name].partitions if name in told else {}
            if not partitions:
                rows.append(f"{name} is not known to node {node.node_id}")
            rows += [
                f"{name}-{number} (leader {each.leader}, isr {each.isrs})"
                for number, each in partitions.items()
                if each.leader < 0 or len(each.isrs) < len(each.replicas)
            ]
        return rows

    def leaders(self, topic: str, node: Node | None = None) -> dict[int, int]:
        """partition -> leader"""
        told = self.metadata_of(node or self.running[0], topic).topics[topic].partitions
        return {number: each.leader for number, each in told.items()}

    def create(self, node: Node, prefix: str, partitions: int = 3, replicas: int = 3, **config: str) -> str:
        """A topic, made through `node` with librdkafka. Returns its name."""
        name = f"{prefix}-{uuid4().hex[:6]}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        admin = _admin(node)  # kept: without it the client is gone before its answer is there
        for future in admin.create_topics([rdkafka.NewTopic(name, partitions, replicas, config=settings)]).values():
            future.result(WAIT_S)
        if replicas == len(self.nodes):
            self.topics.append(name)
        return name

    def enthrone(self, kind: str) -> Member:
        """Bounce active controllers until one of `kind` leads the quorum. Raises TimeoutError."""
        for _ in range(MAX_BOUNCES):
            active = self.wait_controller()
            if active.kind == kind:
                return active
            self.dethrone(active)
        raise TimeoutError(f"no controller of {kind} after {MAX_BOUNCES} elections")

    def dethrone(self, active: Member) -> Member:
        """Stop the active controller, let the others elect, and start it again. Returns the new one."""
        active.stop()
        elected = self.wait_controller()
        for voter in self.running:  # with one of three stopped, the winner has the other's vote
            if voter is not elected:
                self.votes.add((voter.kind, elected.kind))
        active.start()
        self.wait_unfenced()
        return elected

    def wait_controller(self) -> Member:
        found = until(self.controller, WAIT_S, "one active controller that all nodes name")
        assert found
        return found


MAX_BOUNCES = 10
Step = Callable[[Mixed], str]


def _admin(node: Node) -> Any:
    return rdkafka.AdminClient({"bootstrap.servers": node.bootstrap, "log_level": 0})


def _tail(done: "subprocess.CompletedProcess[bytes]") -> str:
    return f"exit {done.returncode}: {(done.stdout + done.stderr).decode(errors='replace').strip()[-600:]}"
