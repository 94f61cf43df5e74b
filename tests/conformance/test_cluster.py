"""Three processes that are one cluster: elected, registered, described; and what becomes of it when one is killed."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker, kcli
from tests.support.nodes import HOST
from tests.support.waiting import until

NODES = 3


class Cluster:
    """Three combined nodes on free ports."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [Broker(folder / f"node-{n}", node_id=n) for n in range(NODES)]
        voters = ",".join(f"{node.node_id}@{HOST}:{node.controller_port}" for node in self.nodes)
        for node in self.nodes:
            node.properties["controller.quorum.voters"] = voters
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes)

    def up(self) -> None:
        for node in self.nodes:
            node.format()
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_ready()

    def down(self) -> None:
        for node in self.nodes:
            node.stop()

    def kcli(self, *args: str, ask: int | None = None) -> str:
        """What kcli prints; `ask` names the node to begin with. Raises AssertionError: it failed."""
        bootstrap = self.bootstrap if ask is None else self.nodes[ask].bootstrap
        tool, *rest = args
        done = kcli(tool, "--bootstrap-server", bootstrap, *rest)
        assert done.returncode == 0, f"{args}: {done.stderr.decode()}"
        return done.stdout.decode()

    def leader(self, ask: int) -> int:
        told = json.loads(self.kcli("metadata-quorum", "describe", "--status", "--output", "json", ask=ask))
        return int(told["leaderId"])

    def leaders(self, topic: str, ask: int) -> list[int]:
        """The leader of each partition, as one node tells it; -1 for none."""
        rows = self.kcli("topics", "--describe", "--topic", topic, ask=ask).splitlines()[1:]
        told = [row.split("Leader: ")[1].split("\t")[0] for row in rows]
        return [-1 if leader == "none" else int(leader) for leader in told]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(made.down)
        made.up()
        yield made


def test_three_nodes_are_one_cluster(cluster: Cluster) -> None:
    assert {cluster.leader(ask) for ask in range(NODES)} <= set(range(NODES))
    assert len({cluster.leader(ask) for ask in range(NODES)}) == 1
    for ask in range(NODES):  # two of them are not the active controller, and hand it on
        cluster.kcli(
            "topics", "--create", "--topic", f"t{ask}", "--partitions", "3", "--replication-factor", "3", ask=ask
        )
    for ask in range(NODES):
        until(lambda ask=ask: cluster.leaders("t2", ask) != [], 10, "the topic on all nodes")  # type: ignore[misc]
        assert sorted(cluster.leaders("t0", ask)) == [0, 1, 2]


def test_the_cluster_goes_on_without_any_one_node(cluster: Cluster) -> None:
    cluster.kcli("topics", "--create", "--topic", "first", "--partitions", "3", "--replication-factor", "3")
    active = cluster.leader(0)
    for victim in (active, (active + 1) % NODES):
        ask = (victim + 1) % NODES
        cluster.nodes[victim].kill()
        cluster.kcli("topics", "--create", "--topic", f"without-{victim}", "--replication-factor", "2", ask=ask)
        until(lambda v=victim, a=ask: v not in cluster.leaders("first", a), 20, "new leaders")  # type: ignore[misc]
        assert -1 not in cluster.leaders("first", ask)
        cluster.nodes[victim].start()
        names = set(cluster.kcli("topics", "--list", ask=victim).split())
        assert {"first", f"without-{victim}"} <= names
