"""The pytest plugin as others use it: the example of docs/pytest.md, run by a pytest of its own."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kcli.errors import Failure
from kcli.testing import Cluster
from tests.support.waiting import answers

ROOT = Path(__file__).parents[3]
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that tells Python of kcli as an installation does: its entry points."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    folder = tmp_path / "site" / "kcli_kafka_as_installed-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: kcli-kafka-as-installed\nVersion: 1\n")
    rows = "".join(f"{name}-as-installed = {module}\n" for name, module in told.items())
    (folder / "entry_points.txt").write_text(f"[pytest11]\n{rows}")
    return folder.parent


def run(folder: Path, site: Path, test: str, *options: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_theirs.py").write_text(test)
    path = os.pathsep.join([str(site), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:kcli", "-W", "error", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_example_of_the_docs_runs(tmp_path: Path, installed: Path) -> None:
    (example,) = EXAMPLE.findall((ROOT / "docs" / "pytest.md").read_text())
    done = run(tmp_path, installed, example)
    assert done.returncode == 0, done.stdout + done.stderr


def test_processes_end_with_a_test_that_fails(tmp_path: Path, installed: Path) -> None:
    done = run(
        tmp_path,
        installed,
        "def test_it(kcli_cluster):\n"
        "    one = kcli_cluster()\n"
        "    open('port', 'w').write(one.bootstrap.rpartition(':')[2])\n"
        "    raise ValueError('theirs')\n",
    )
    assert done.returncode == 1
    assert "ValueError: theirs" in done.stdout
    assert not answers("127.0.0.1", int((tmp_path / "port").read_text()))


def test_who_does_not_use_it_does_not_pay(tmp_path: Path, installed: Path) -> None:
    done = run(
        tmp_path,
        installed,
        "import sys\n"
        "def test_it():\n"
        "    assert 'kcli.pytest_plugin' in sys.modules\n"
        "    heavy = {'click', 'kafka', 'kcli.nodes', 'kcli.testing', 'kcli.client', 'server', 'uvloop'}\n"
        "    assert not heavy & set(sys.modules)\n",
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "c", config={"log.retention.hours": "1"}) as running:
        yield running


def test_nodes_are_stopped_killed_paused_and_come_back(cluster: Cluster) -> None:
    assert (cluster.nodes, cluster.addresses) == ((0,), {0: cluster.bootstrap})
    assert "log.retention.hours=1\n" in (cluster.dir / "node-0" / "server.properties").read_text()
    cluster.kill(0)
    assert cluster.state(0) == "crashed"
    cluster.restart(0)
    assert cluster.state(0) == "running"
    cluster.pause(0)
    assert cluster.state(0) == "paused"
    cluster.resume(0)
    cluster.stop(0)
    assert cluster.state(0) == "stopped"
    cluster.start(0)
    assert answers("127.0.0.1", int(cluster.bootstrap.rpartition(":")[2]))
    assert cluster.log(0).count("is ready") == 3
    with pytest.raises(Failure, match="The cluster has no node 7"):
        cluster.kill(7)
    cluster.close()
    assert cluster.state(0) == "crashed"
    cluster.close()
