"""A cluster of real processes for tests: combined nodes, or brokers and controllers of their own, on 127.0.0.1.

with Cluster(folder, brokers=3) as cluster:          # controllers=3: separate ones
    cluster.view()                                   # who leads what, as a living node tells it
    cluster.nodes[0].kill()
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from kcli.client import connect
from kcli.errors import Failure
from kcli.model import Topic
from kcli.properties import Connection
from tests.support.broker import Broker
from tests.support.nodes import HOST, Node

ASK_MS = 2_000
Make = Callable[..., Node]


@dataclass(frozen=True)
class View:
    """What a living node says of the cluster."""

    controller: int
    topics: tuple[Topic, ...]

    def leaders(self, topic: str) -> dict[int, int]:
        """The leader of each partition; -1 for none."""
        return {
            partition.id: -1 if partition.leader is None else partition.leader
            for each in self.topics
            if each.name == topic
            for partition in each.partitions
        }

    @property
    def lagging(self) -> list[str]:
        """Partitions that have no leader, or a replica that is not in sync."""
        return [
            f"{topic.name}-{partition.id}: leader {partition.leader}, isr {partition.isr} of {partition.replicas}"
            for topic in self.topics
            for partition in topic.partitions
            if partition.leader is None or set(partition.isr) != set(partition.replicas)
        ]


class Cluster:
    def __init__(
        self,
        folder: Path,
        *,
        brokers: int = 3,
        controllers: int = 0,
        properties: Mapping[str, str] | None = None,
        make: Make = Broker,
    ) -> None:
        """controllers: nodes of their own, with the ids behind the brokers'; 0: the brokers are controllers too."""
        roles = ["broker" if controllers else "broker,controller"] * brokers + ["controller"] * controllers
        self.nodes = [make(folder / f"node-{n}", node_id=n, roles=each) for n, each in enumerate(roles)]
        self.brokers = self.nodes[:brokers]
        self.controllers = [node for node in self.nodes if "controller" in node.roles]
        voters = ",".join(f"{node.node_id}@{HOST}:{node.controller_port}" for node in self.controllers)
        for node in self.nodes:
            node.properties |= {"controller.quorum.voters": voters} | dict(properties or {})
        self.bootstrap = ",".join(node.bootstrap for node in self.brokers)

    def up(self) -> None:
        for node in self.nodes:
            node.format()
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_ready()

    def down(self) -> None:
        """Stop all nodes; brokers before controllers of their own, so that they can take their leave."""
        for node in self.nodes:
            code = node.stop()
            assert code == 0, f"node {node.node_id} stopped with {code}:\n{node.log[-2000:]}"

    def view(self, ask: Node | None = None) -> View | None:
        """What a node says, by default the first broker that answers; None: nobody does."""
        asked = [ask] if ask else [node for node in self.brokers if node.process and not node.ended]
        for node in asked:
            settings = {"request.timeout.ms": str(ASK_MS), "default.api.timeout.ms": str(ASK_MS)}
            with suppress(Failure), connect(Connection(((HOST, node.port),), settings)) as admin:
                return View(admin.describe_quorum().leader, admin.describe_topics())
        return None

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.down()
        else:
            self._kill()

    def _kill(self) -> None:
        for node in self.nodes:
            node.kill()
