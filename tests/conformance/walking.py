"""The walk of a reassignment over four nodes: kcli on Apache Kafka's, Kafka's tool on ours; and moves that last.

A move lasts because it is throttled: it is looked at, refused a second time, given another throttle, cancelled. kcli
and Kafka's tool take turns at it on Kafka's nodes, and have to print the same.
"""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.conformance.checks import Bench
from tests.support import kafka, records, walks
from tests.support.broker import kcli
from tests.support.cluster import Cluster, Make

WALK = Path(__file__).parent.parent / "golden" / "walks" / "reassign-partitions.record"
NODES = 4
HEAP = ("-Xmx256m", "-Xms256m")
TOOL = "reassign-partitions"


class SmallKafkaBroker(kafka.KafkaBroker):
    """Four of them fit on a small machine."""

    def start_command(self) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={kafka.libs().parent}/broker.xml"
        return [*kafka.java("kafka.Kafka", *HEAP, logging), str(self.config)]

    def stop(self) -> int:
        # The last ones would wait for a quorum that is gone, and nobody reads what they leave.
        self.kill()
        return 0


def walk(make: Make, *, theirs: bool) -> Callable[[Bench], str]:
    """Play the recorded walk on nodes of a kind. theirs: with Kafka's tools, else with kcli."""

    def check(bench: Bench) -> str:
        folder = bench.folder / f"walk-{'tool' if theirs else 'kcli'}"
        folder.mkdir()
        with Cluster(folder / "nodes", brokers=NODES, make=make) as cluster:
            place = records.Place(folder, cluster.bootstrap)

            def run(tool: str, args: Sequence[str], stdin: bytes) -> "subprocess.CompletedProcess[bytes]":
                if theirs:
                    return kafka.tool(tool, *args, stdin=stdin, cwd=folder)
                return kcli(tool, *args, stdin=stdin, cwd=folder, XDG_STATE_HOME=str(folder))

            made = walks.play(records.parse(WALK.read_text()), place, run, {})
        return f"{made} calls print the same"

    return check


def side_by_side(bench: Bench) -> str:
    """kcli and Kafka's tool look at the same moves of Kafka's nodes, between brokers and between directories."""
    folder = bench.folder / "side-by-side"
    folder.mkdir()
    cluster = Cluster(folder / "nodes", brokers=NODES, make=SmallKafkaBroker)
    for node in cluster.nodes:
        node.properties["log.dirs"] = f"{node.data},{node.data}-more"
    with cluster:
        pair = Pair(folder, cluster.bootstrap)
        pair.kcli("topics", "--create", "--topic", "slow", "--replica-assignment", "0:1:2")
        walks.fill(cluster.bootstrap, "slow")
        _between_brokers(pair)
        _between_directories(pair, f"{cluster.nodes[0].data}-more", str(cluster.nodes[0].data))
    return f"{pair.compared} calls print the same"


class Pair:
    """kcli and Kafka's tool on one cluster."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.folder, self.bootstrap, self.compared = folder, bootstrap, 0

    def write(self, name: str, *rows: dict[str, object]) -> tuple[str, str]:
        (self.folder / name).write_text(json.dumps({"version": 1, "partitions": rows}))
        return "--reassignment-json-file", name

    def kcli(self, tool: str, *args: str) -> tuple[str, int]:
        asked = (tool, "--bootstrap-server", self.bootstrap, *args)
        done = kcli(*asked, cwd=self.folder, XDG_STATE_HOME=str(self.folder))
        return done.stdout.decode(), done.returncode

    def theirs(self, *args: str) -> tuple[str, int]:
        done = kafka.tool(TOOL, "--bootstrap-server", self.bootstrap, *args, cwd=self.folder)
        return done.stdout.decode(), done.returncode

    def same(self, *args: str) -> str:
        """Call both; they print the same and exit alike. Returns what they print."""
        ours, theirs = self.kcli(TOOL, *args), self.theirs(*args)
        assert ours == theirs, f"{' '.join(args)}\nkcli:\n{ours}\nKafka's tool:\n{theirs}"
        self.compared += 1
        return ours[0]


def _between_brokers(pair: Pair) -> None:
    plan = pair.write("slow.json", {"topic": "slow", "partition": 0, "replicas": [0, 1, 3]})
    told, code = pair.kcli(TOOL, "--execute", *plan, "--throttle", "1kB")
    assert code == 0, told
    assert "adding: 3. removing: 2." in pair.same("--list")
    assert "is still in progress." in pair.same("--verify", "--preserve-throttles", *plan)
    assert "--additional" in pair.same("--execute", *plan)
    again = pair.same("--execute", *plan, "--additional", "--throttle", "2000")
    assert "limit was set to 2000 B/s" in again
    told, code = pair.kcli(TOOL, "--cancel", *plan, "--preserve-throttles")
    assert (code, told.splitlines()[0]) == (0, "Successfully cancelled partition reassignment for: slow-0")
    pair.same("--verify", "--preserve-throttles", *plan)
    pair.same("--cancel", *plan)
    pair.same("--list")


def _between_directories(pair: Pair, target: str, home: str) -> None:
    told, _ = pair.theirs("--verify", *pair.write("where.json", _placed(target)))
    if "completed successfully" in told:
        target, home = home, target
    plan, back = pair.write("there.json", _placed(target)), pair.write("back.json", _placed(home))
    told, code = pair.kcli(TOOL, "--execute", *plan, "--replica-alter-log-dirs-throttle", "1000")
    moved = f"Successfully started moving log directory to {target} for replica slow-0 with broker 0 \n"
    assert (code, told.endswith(moved)) == (0, True), told
    assert "Reassignment of replica slow-0-0 is still in progress." in pair.same("--verify", *plan)
    assert f"is being moved to log dir {target} instead of {home}." in pair.same("--verify", *back)
    told, code = pair.kcli(TOOL, "--cancel", *plan)
    assert (code, f"moving log directory to {home} for replica slow-0" in told) == (0, True), told
    assert f"is not being moved from log dir {home} to {target}." in pair.same("--verify", *plan)
    assert "completed successfully." in pair.same("--verify", *back)
    nowhere = pair.write("nowhere.json", _placed("/nowhere"))
    told, code = pair.kcli(TOOL, "--execute", *nowhere)
    assert (code, told.splitlines()[-1]) == (1, "Error: Failed to alter dir for slow-0-0"), told


def _placed(path: str) -> dict[str, object]:
    return {"topic": "slow", "partition": 0, "replicas": [0, 1, 2], "log_dirs": [path, "any", "any"]}
