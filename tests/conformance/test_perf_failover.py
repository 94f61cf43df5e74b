"""kcli producer-perf-test goes on when a leader is killed under it: nothing is lost, nothing is there twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.broker import ROOT, kcli
from tests.support.cluster import Cluster
from tests.support.waiting import until

RECORDS, RATE = 30_000, 5_000
SECONDS = 100


def end(cluster: Cluster, topic: str) -> int:
    done = kcli("get-offsets", "--bootstrap-server", cluster.bootstrap, "--topic", topic)
    row = done.stdout.decode().strip()
    return int(row.rpartition(":")[2]) if row else 0


def test_a_run_goes_on_when_its_leader_is_killed(tmp_path: Path) -> None:
    with Cluster(tmp_path, brokers=3) as cluster:
        created = kcli(
            *("topics", "--bootstrap-server", cluster.bootstrap, "--create", "--topic", "run"),
            *("--partitions", "1", "--replication-factor", "3", "--config", "min.insync.replicas=2"),
        )
        assert created.returncode == 0, created.stderr
        run = subprocess.Popen(
            [
                *(sys.executable, "-m", "kcli", "producer-perf-test", "--bootstrap-server", cluster.bootstrap),
                *("--topic", "run", "--num-records", str(RECORDS), "--throughput", str(RATE), "--payload-monotonic"),
                *("--output", "json", "--command-property", "acks=all", "batch.size=2000"),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        until(lambda: end(cluster, "run") > RECORDS // 6, SECONDS, "a part of the records")
        view = cluster.view()
        assert view, "all nodes are alive"
        cluster.nodes[view.leaders("run")[0]].kill()
        out, err = run.communicate(timeout=SECONDS)
        assert run.returncode == 0, err.decode()
        told = json.loads(out)
        assert (told["records"], told["failed"]) == (RECORDS, 0)
        read = kcli(
            *("console-consumer", "--bootstrap-server", cluster.bootstrap, "--topic", "run"),
            *("--from-beginning", "--until", "latest"),
        )
        assert read.stdout.split() == [b"%d" % number for number in range(RECORDS)]
