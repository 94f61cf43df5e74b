"""kcli on our own cluster prints what Apache Kafka's tools printed on theirs, on a walk with nodes that come and go.

`=== sh stop-broker N` and `start-broker N` are what `kcli cluster stop N` and `start N` do. A describe is repeated
until it prints what is recorded, since an ISR takes its time; what it prints at the end counts. A walk ends at the
first tool that kcli has not got.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kcli.cli import NOT_BUILT
from kcli.testing import Cluster
from tests.support import records
from tests.support.calls import Calls

WALKS = sorted(Path(__file__).with_name("walks").glob("*.record"))
PATIENCE_S = 30
PLACED = re.compile(r"Leader: (\d+)\tReplicas: ([\d,]+)\tIsr: ([\d,]+)")


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
    for step in steps(path):
        if step.kind == "sh":
            action, _, node = step.words.partition("-broker ")
            {"stop": cluster.stop, "start": cluster.start}[action](int(node))
            continue
        deadline = time.monotonic() + PATIENCE_S
        while True:
            ((_, got),) = records.play(
                [step], place, lambda tool, args, stdin: calls.kcli([tool, *args], stdin, place.work)
            )
            assert got
            wrong = records.complaints(step, unplaced(step, got))
            if not wrong or "--describe" not in step.words or time.monotonic() > deadline:
                break
        assert not wrong, f"kcli {step.words}: {'; '.join(wrong)}\n{got.out}{got.err}"


def unplaced(step: records.Step, got: records.Printed) -> records.Printed:
    """What was printed, with <placed> for rows that are as placement makes them; only where the record has it so."""
    if not step.kafka or "<placed>" not in step.kafka.out:
        return got
    rows = [(leader, replicas, isr) for leader, replicas, isr in PLACED.findall(got.out)]
    spread = set(Counter(leader for leader, _, _ in rows).values())
    as_made = all(
        replicas.split(",")[0] == leader and isr == replicas and len({*replicas.split(",")}) == 3
        for leader, replicas, isr in rows
    )
    return replace(got, out=PLACED.sub("<placed>", got.out)) if as_made and len(spread) == 1 else got
