"""Three processes that are one cluster: elected, registered, described; and what becomes of it when one is killed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import kcli
from tests.support.cluster import Cluster
from tests.support.waiting import until

NODES = 3


class ToldCluster(Cluster):
    """A cluster as kcli tells it."""

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
def cluster(tmp_path: Path) -> Iterator[ToldCluster]:
    with ToldCluster(tmp_path, brokers=NODES) as made:
        yield made


def test_three_nodes_are_one_cluster(cluster: ToldCluster) -> None:
    assert {cluster.leader(ask) for ask in range(NODES)} <= set(range(NODES))
    assert len({cluster.leader(ask) for ask in range(NODES)}) == 1
    for ask in range(NODES):  # two of them are not the active controller, and hand it on
        cluster.kcli(
            "topics", "--create", "--topic", f"t{ask}", "--partitions", "3", "--replication-factor", "3", ask=ask
        )
    for ask in range(NODES):
        until(lambda ask=ask: cluster.leaders("t2", ask) != [], 10, "the topic on all nodes")  # type: ignore[misc]
        assert sorted(cluster.leaders("t0", ask)) == [0, 1, 2]


def test_the_cluster_goes_on_without_any_one_node(cluster: ToldCluster) -> None:
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
