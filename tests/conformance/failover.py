"""Kafka's own producer and consumer at work on our cluster while the leader is killed, returns, and is killed again."""

import subprocess
from pathlib import Path

from tests.conformance.checks import Bench
from tests.support import kafka
from tests.support.clients import create_topic
from tests.support.cluster import Cluster
from tests.support.waiting import until

TOPIC = "failover"
RECORDS, A_SECOND, RECORD_BYTES = 45_000, 3_000, 100
KILLS_AT = (5_000, 20_000)  # when the consumer has so many
END_S = 180


def failover(bench: Bench) -> str:
    """Nothing is lost or doubled, and neither tool ends with an error."""
    with Cluster(bench.folder / "failover") as cluster:
        create_topic(cluster.bootstrap, TOPIC, partitions=1, replicas=3, min_insync_replicas="2")
        got = bench.folder / "consumed"
        consumer = _tool(
            got,
            "console-consumer",
            *("--topic", TOPIC, "--partition", "0", "--offset", "earliest", "--max-messages", str(RECORDS)),
            *("--bootstrap-server", cluster.bootstrap, "--timeout-ms", str(END_S * 1000)),
        )
        told = bench.folder / "produced"
        producer = _tool(
            told,
            "producer-perf-test",
            *("--topic", TOPIC, "--num-records", str(RECORDS), "--throughput", str(A_SECOND)),
            *("--record-size", str(RECORD_BYTES), "--bootstrap-server", cluster.bootstrap),
        )
        try:
            for count in KILLS_AT:
                until(lambda n=count: _size(got) >= n * (RECORD_BYTES + 1), END_S, f"{count} records")  # type: ignore[misc]
                _kill_and_return(cluster)
            codes = [process.wait(END_S) for process in (producer, consumer)]
        finally:
            for process in (producer, consumer):
                process.kill()
    assert codes == [0, 0], f"exit codes {codes}\n{_text(told)}\n{_text(got.with_suffix('.err'))}"
    assert f"{RECORDS} records sent" in told.read_text(), _text(told)
    values = got.read_bytes().splitlines()
    assert len(values) == len(set(values)) == RECORDS, f"{len(values)} records, {len(set(values))} of them different"
    return f"{RECORDS} records, {len(KILLS_AT)} kills of the leader"


def _kill_and_return(cluster: Cluster) -> None:
    def leader() -> int:
        view = cluster.view()
        return 1 + (view.leaders(TOPIC)[0] if view else -1)  # never 0 for a node, since 0 is asked for again

    def moved() -> bool:
        return leader() not in (0, victim + 1)

    victim = until(leader, END_S, "a leader") - 1
    cluster.nodes[victim].kill()
    until(moved, END_S, "another leader")
    cluster.nodes[victim].start()


def _tool(out: Path, name: str, *args: str) -> subprocess.Popen[bytes]:
    with out.open("wb") as stdout, out.with_suffix(".err").open("wb") as stderr:
        return subprocess.Popen(kafka.tool_command(name, *args), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)


def _size(path: Path) -> int:
    return path.stat().st_size


def _text(path: Path) -> str:
    return path.read_text(errors="replace")[-1500:]
