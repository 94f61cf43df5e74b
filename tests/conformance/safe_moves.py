"""Four processes, a broker with data that is emptied under a throttle: killed clients, Ctrl-C, and a broker that dies.

The client is a process of its own, as a user's is; the world in memory has the rest of these stories.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conformance.checks import Bench
from tests.support.broker import ROOT, kcli
from tests.support.clients import consume, produce
from tests.support.cluster import Cluster
from tests.support.nodes import Node
from tests.support.waiting import until

NODES, PARTITIONS, RECORDS = 4, 4, 200
RECORD = bytes(10_000)
SLOW, FAST = "150kB", "20MB"
WAIT_S = 60
LOOK = ("--interval", "100")


class Moved(Cluster):
    """A cluster with two topics: `orders`, with 2 MB a partition and half of it on broker 3; `audit` is not on 3."""

    def __init__(self, folder: Path, make: type[Node]) -> None:
        super().__init__(folder / "nodes", brokers=NODES, make=make)
        self.folder = folder

    def fill(self) -> None:
        placed = ",".join(["3:0", "0:3", "1:3", "3:2"])
        assert self.run("topics", "--create", "--topic", "orders", "--replica-assignment", placed)[1] == 0
        assert self.run("topics", "--create", "--topic", "audit", "--replica-assignment", "0:1")[1] == 0
        for partition in range(PARTITIONS):
            values = [b"%d-%d-" % (partition, number) + RECORD for number in range(RECORDS)]
            produce(self.bootstrap, "orders", values, partition=partition)

    def run(self, tool: str, *args: str) -> tuple[str, int]:
        done = kcli(tool, "--bootstrap-server", self.bootstrap, *args, cwd=self.folder, XDG_STATE_HOME=str(self.folder))
        return (done.stdout + done.stderr).decode(), done.returncode

    def part(self, *args: str) -> tuple[str, int]:
        """A command of kcli reassign."""
        word, *rest = args
        done = kcli(
            "reassign", word, "--bootstrap-server", self.bootstrap, *rest,
            cwd=self.folder, XDG_STATE_HOME=str(self.folder), seconds=120,
        )  # fmt: skip
        return (done.stdout + done.stderr).decode(), done.returncode

    def begin(self, *args: str) -> "subprocess.Popen[bytes]":
        word, *rest = args
        return subprocess.Popen(
            [sys.executable, "-m", "kcli", "reassign", word, "--bootstrap-server", self.bootstrap, *rest],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def moving(self) -> list[Any]:
        told, _ = self.run("reassign", "--list", "--output", "json")
        return list(json.loads(told[: told.rindex("}") + 1])["reassignments"])

    def holds(self, broker: int) -> list[int]:
        """The partitions of orders on a broker."""
        view = self.view(self.nodes[0])
        assert view
        return [
            one.id for topic in view.topics if topic.name == "orders" for one in topic.partitions
            if broker in one.replicas
        ]  # fmt: skip


def emptied(cluster: Moved) -> None:
    """A broker is emptied by clients that are killed and stopped, and filled again."""
    told, code = cluster.part("drain", "3", "--throttle", SLOW, "--plan-file", "plan.json")
    assert (code, "4 partitions to change, 4 new replicas, 8.0 MB to copy" in told) == (0, True), told
    assert cluster.holds(3) == [0, 1, 2, 3], "a dry run moves nothing"

    client = cluster.begin("apply", "plan.json", "--throttle", SLOW, "--batch-size", "2", *LOOK)
    until(lambda: len(cluster.moving()) == 2, WAIT_S, "the first batch to move")
    client.kill()
    client.communicate()

    client = cluster.begin("apply", "plan.json", "--batch-size", "2", "--throttle", SLOW, "--watch", *LOOK)
    assert client.stdout
    while b"copied" not in (line := client.stdout.readline()):
        assert line, "it ended without a word on how far it is"
    client.send_signal(signal.SIGINT)
    said = client.communicate(timeout=WAIT_S)[0].decode()
    assert client.returncode == 130, said
    assert "Go on with 'kcli reassign apply plan.json'" in said
    told, _ = cluster.part("unthrottle", "--force")
    assert told == "No throttle is set.\n"

    told, code = cluster.part("apply", "plan.json", "--batch-size", "2", "--throttle", FAST, *LOOK)
    assert (code, "4 partitions are where the plan wants them." in told) == (0, True), told
    assert cluster.holds(3) == []
    assert cluster.part("unthrottle")[0] == "No throttle is set.\n"
    for partition in range(PARTITIONS):
        assert len(consume(cluster.bootstrap, "orders", partition=partition)) == RECORDS

    told, code = cluster.part("rollback", *LOOK)
    assert code == 0, told
    assert cluster.holds(3) == [0, 1, 2, 3]
    view = cluster.view(cluster.nodes[0])
    assert view
    assert view.leaders("orders") == {0: 3, 1: 0, 2: 1, 3: 3}


def stopped(cluster: Moved) -> None:
    """It stops when a broker dies under partitions that are not in the plan, and goes on later."""
    told, code = cluster.part("drain", "3", "--plan-file", "plan.json")
    assert code == 0, told
    client = cluster.begin("apply", "plan.json", "--throttle", "1kB", "--batch-size", "2", *LOOK)
    until(lambda: len(cluster.moving()) == 2, WAIT_S, "the first batch to move")
    cluster.nodes[1].kill()
    said = client.communicate(timeout=WAIT_S)[0].decode()
    assert client.returncode == 1, said
    assert "Stopped: under-replicated outside the plan: audit-0." in said
    cluster.nodes[1].start()
    assert cluster.moving() == []
    told, code = cluster.part("apply", "plan.json", *LOOK)
    assert code == 0, told
    assert cluster.holds(3) == []


def on(make: type[Node]) -> Callable[[Bench], str]:
    """Both stories on nodes of a kind, for the table."""

    def check(bench: Bench) -> str:
        for story in (emptied, stopped):
            with Moved(bench.folder / f"safe-{story.__name__}", make) as cluster:
                cluster.fill()
                story(cluster)
        return "a broker emptied, and a plan that stopped by itself"

    return check
