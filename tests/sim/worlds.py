"""Every kind of world by name, one way to play it, and the mix in which a seed alone says what is played.

    tally = play(7)                     # the world that the mix has for seed 7
    tally = play(7, "quorum")           # a kind of one's choice

A world raises when it finds an anomaly; a Tally says how much happened in it, so that an idle one cannot pass for good.
"""

from collections.abc import Callable

from tests.sim import (
    group_world,
    quorum_world,
    raft_lives,
    reassign_world,
    replica_world,
    replicated_world,
    txn_world,
    world,
)
from tests.sim.tally import Tally

Trace = Callable[[str], None]


def _replica(seed: int, trace: Trace) -> Tally:
    return replica_world.run(seed, trace=trace)


def _replicated(seed: int, trace: Trace) -> Tally:
    return _tally(replicated_world.run(seed, 8, trace))


def _reassign(seed: int, trace: Trace) -> Tally:
    return _tally(reassign_world.run(seed, 8, trace))


def _group(seed: int, trace: Trace) -> Tally:
    report = group_world.run(seed, 8, trace)
    tally = _tally(report)
    tally.acknowledged = report.commits
    return tally


def _txn(seed: int, trace: Trace) -> Tally:
    return _tally(txn_world.run(seed, 8, trace))


def _tally(report: replicated_world.Report) -> Tally:
    return Tally(
        1,
        report.records,
        report.read,
        report.crashes,
        report.power_cuts,
        report.elections,
        report.link_cuts + report.stops,
    )


def _quorum(seed: int, trace: Trace) -> Tally:
    report = quorum_world.run(seed, 10, trace)
    faults = report.link_cuts + report.stops
    return Tally(1, report.acknowledged, 0, report.crashes, report.power_cuts, report.epochs, faults)


def _raft(seed: int, trace: Trace) -> Tally:
    played = raft_lives.play(seed)
    return Tally(1, len(played.committed), 0, played.crashes, 0, len(played.leaders), played.cuts)


def _broker(seed: int, trace: Trace) -> Tally:
    report = world.run(seed, 6, trace)
    faults = report.link_cuts + report.disk_faults
    return Tally(1, report.acknowledged, 0, report.kills, report.power_cuts, 0, faults)


KINDS: dict[str, Callable[[int, Trace], Tally]] = {
    "replica": _replica,
    "replicated": _replicated,
    "reassign": _reassign,
    "group": _group,
    "quorum": _quorum,
    "raft": _raft,
    "txn": _txn,
    "broker": _broker,
}
# Ten seeds in a row. Whole nodes cost ten times what a bare partition costs, and see what only whole nodes have.
MIX = ("replica", "replicated", "raft", "replica", "reassign", "quorum", "group", "replicated", "txn", "broker")


def kind_of(seed: int) -> str:
    """What the mix plays for this seed."""
    return MIX[seed % len(MIX)]


def play(seed: int, kind: str | None = None, trace: Trace = lambda line: None) -> Tally:
    """Play one world. What it raises names the anomaly."""
    return KINDS[kind or kind_of(seed)](seed, trace)
