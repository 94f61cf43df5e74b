"""python -m tests.perf --only reassign: plans of 10,000 partitions, and kcli reassign beside Kafka's tool.

Planning is measured in this process, without a cluster: Kafka has nothing like it. The tools are whole processes on
the same three nodes of ours, in turn, with the same plan; nothing has to be copied for it, so that it is the tools that
are measured, and what they ask the cluster for.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from math import nan
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from kcli.model import Broker as Known
from kcli.model.layout import Layout
from kcli.model.moves import Target
from kcli.plan.applying import Look, Pace, State, step
from kcli.plan.balancing import balance, lead
from kcli.plan.placing import Moves, drain, set_factor
from kcli.plan.preview import preview
from tests.perf.measures import Ran, Row, in_turn, process
from tests.perf.trio import NODES, Trio
from tests.support import kafka
from tests.support.broker import Broker

if TYPE_CHECKING:
    from tests.perf.__main__ import Bench

KCLI = str(Path(sys.executable).with_name("kcli"))
BROKERS, RACKS, TOPICS, PARTITIONS, FACTOR = 30, 3, 1_000, 10, 3
TOOL = "reassign-partitions"


def reassign(bench: "Bench") -> Iterator[Row]:
    yield from planning(bench)
    yield from tools(bench)


def layout(seed: int = 1, brokers: int = BROKERS) -> Layout:
    """10,000 partitions on some of 30 brokers, put there by chance."""
    rng = Random(seed)
    known = {each: Known(each, "host", 9092, f"rack-{each % RACKS}") for each in range(BROKERS)}
    keys = [(f"topic-{number:04}", index) for number in range(TOPICS) for index in range(PARTITIONS)]
    replicas = {key: tuple(rng.sample(range(brokers), FACTOR)) for key in keys}
    return Layout(known, replicas, {key: rng.randrange(1_000_000_000) for key in keys}, replicas)


def planning(bench: "Bench") -> Iterator[Row]:
    before = layout()
    planners: dict[str, Callable[[Layout], Moves]] = {
        "drain 3": lambda seen: drain(seen, [3]),
        "set-rf 2": lambda seen: set_factor(seen, ".*", 2),
        "balance": balance,
        "balance --leaders-only": lead,
    }
    for name, planner in planners.items():
        seconds = median(_timed(lambda planner=planner: preview(before, planner(before))) for _ in range(bench.rounds))  # type: ignore[misc]
        yield Row(f"plan 10,000 partitions, {name}", "s", seconds, nan)
    for name, crowded in {"10 brokers added": 20, "all on 3": 3}.items():
        full = layout(brokers=crowded)
        seconds = median(_timed(lambda full=full: preview(full, balance(full))) for _ in range(bench.rounds))  # type: ignore[misc]
        yield Row(f"plan 10,000 partitions, balance, {name}", "s", seconds, nan)
    moves = balance(before)
    targets = tuple(Target(*key, row) for key, row in sorted(moves.items()))
    look = Look(before.partitions)
    seconds = median(_timed(lambda: step(State(targets, before.sizes), look, Pace(), 0)) for _ in range(bench.rounds))
    yield Row(f"apply decides after a look, plan of {len(moves):,}", "s", seconds, nan)


def _timed(do: Callable[[], object]) -> float:
    started = perf_counter()
    do()
    return perf_counter() - started


def tools(bench: "Bench") -> Iterator[Row]:
    topics = max(1, int(TOPICS * bench.scale))
    with Trio(Broker, bench.folder / "trio") as trio:
        yield from _both(bench, trio, ["small"])
        trio.create([f"many-{number:04}" for number in range(topics)], PARTITIONS)
        trio.wait_in_sync(topics * PARTITIONS)
        yield from _both(bench, trio, [f"many-{number:04}" for number in range(topics)])


def _both(bench: "Bench", trio: Trio, names: Sequence[str]) -> Iterator[Row]:
    """Generate, execute and verify, with both tools in turn."""
    if names == ["small"]:
        trio.create(names, PARTITIONS)
        trio.wait_in_sync(PARTITIONS)
    folder, count = bench.folder, len(names) * PARTITIONS
    chosen, plan = folder / f"topics-{count}.json", folder / f"plan-{count}.json"
    chosen.write_text(json.dumps({"version": 1, "topics": [{"topic": name} for name in names]}))
    generate = ("--generate", "--topics-to-move-json-file", str(chosen), "--broker-list", _ids())
    told = subprocess.run(_ours(folder, trio, *generate), capture_output=True, check=True).stdout.decode()
    plan.write_text(told.splitlines()[-1])
    given = ("--reassignment-json-file", str(plan))
    for action in (generate, ("--execute", *given, "--additional"), ("--verify", *given)):
        ours, theirs = in_turn(
            bench.rounds,
            lambda action=action: process(_ours(folder, trio, *action)),
            lambda action=action: process(kafka.tool_command(TOOL, "--bootstrap-server", trio.bootstrap, *action)),
        )
        yield _row(f"reassign {action[0]}, {count:,} partitions", ours, theirs)


def _row(what: str, ours: Ran, theirs: Ran) -> Row:
    return Row(what, "s", ours.seconds, theirs.seconds, False, ours.peak_mb, theirs.peak_mb)


def _ours(folder: Path, trio: Trio, *args: str) -> list[str]:
    return ["env", f"XDG_STATE_HOME={folder}", KCLI, TOOL, "--bootstrap-server", trio.bootstrap, *args]


def _ids() -> str:
    return ",".join(map(str, range(NODES)))
