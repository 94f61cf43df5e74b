"""Nodes that do not belong into a running cluster as they are: told in one line, and the others go on."""

from pathlib import Path

from tests.conformance.test_cluster import ToldCluster, cluster
from tests.support.broker import Broker, kcli
from tests.support.nodes import HOST, Node
from tests.support.waiting import until

__all__ = ["cluster"]
OTHER_CLUSTER = "AAAAAAAAAAAAAAAAAAAAAQ"


def errors(node: Node) -> list[str]:
    return [line for line in node.log.splitlines() if " ERROR " in line]


def test_a_node_of_another_cluster_and_one_with_other_voters(cluster: ToldCluster, tmp_path: Path) -> None:
    one, _, three = cluster.nodes
    voters = one.properties["controller.quorum.voters"]
    told = {"controller.quorum.voters": voters, "process.roles": "broker"}
    stranger = Broker(tmp_path / "stranger", told, node_id=7)
    stranger.properties["listeners"] = f"PLAINTEXT://{HOST}:{stranger.port}"
    stranger.write_config()
    formatted = kcli("storage", "format", "-t", OTHER_CLUSTER, "-c", str(stranger.config), cwd=stranger.folder)
    assert formatted.returncode == 0
    stranger.launch()
    try:
        until(lambda: len(errors(stranger)) == 3, 60, "a line for each controller")
        assert f"belongs to another cluster than this node, which was formatted for {OTHER_CLUSTER}" in stranger.log
    finally:
        stranger.kill()

    three.stop()
    three.properties["controller.quorum.voters"] = voters.partition(",")[2]
    three.start()
    until(lambda: errors(three), 30, "a line about the voters")
    assert "controller.quorum.voters of node 2 names 1, 2, but node " in errors(three)[0]
    cluster.kcli("topics", "--create", "--topic", "still-there", ask=0)
