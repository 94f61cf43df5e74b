"""The production node, in worlds that crash it, cut its power and its links: what it acknowledged holds.

A seed that fails is played again, with its trace, by `make sim SEED=n`; `make sim` plays a thousand.
"""

import pytest

from tests.sim.world import run

SEEDS = 40


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_world_keeps_its_promises(seed: int) -> None:
    report = run(seed)
    assert report.acknowledged > 0
    assert report.kills + report.power_cuts + report.link_cuts + report.disk_faults > 0


def test_one_seed_is_one_trace() -> None:
    first: list[str] = []
    again: list[str] = []
    assert run(1_000_000, trace=first.append) == run(1_000_000, trace=again.append)
    assert first == again
    assert len(first) > 1000
