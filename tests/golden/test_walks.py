"""kcli on our own cluster prints what Apache Kafka's tools printed on theirs, on a walk with nodes that come and go.

Stopping and starting a broker is what `kcli cluster stop N` and `start N` do. A walk ends at the first tool that kcli
has not got.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kcli.cli import NOT_BUILT
from kcli.testing import Cluster
from tests.support import records, walks
from tests.support.calls import Calls

WALKS = sorted(Path(__file__).with_name("walks").glob("*.record"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "cluster", brokers=4) as running:
        yield running


def steps(path: Path) -> list[records.Step]:
    """The steps that kcli can do."""
    found = records.parse(path.read_text())
    unknown = (at for at, step in enumerate(found) if step.kind == "run" and step.words.split()[0] in NOT_BUILT)
    return found[: next(unknown, len(found))]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", WALKS, ids=lambda path: path.stem)
def test_a_walk_prints_what_kafka_printed(path: Path, calls: Calls, cluster: Cluster, tmp_path: Path) -> None:
    place = records.Place(tmp_path, cluster.bootstrap)
    made = walks.play(
        steps(path),
        place,
        lambda tool, args, stdin: calls.kcli([tool, *args], stdin, place.work),
        {"stop-broker": lambda node: cluster.stop(int(node)), "start-broker": lambda node: cluster.start(int(node))},
    )
    assert made
