"""Replicas of one partition keep what was acknowledged, and become equal again, in every seeded world."""

import pytest

from tests.sim.replica_world import World, run


@pytest.mark.parametrize("seed", range(30))
def test_no_acknowledged_record_is_lost_and_logs_become_equal(seed: int) -> None:
    run(seed)


def test_the_worlds_are_not_idle() -> None:
    """A run in which nothing was acknowledged, nobody elected or nothing cut off would prove nothing."""
    worlds = [World(seed) for seed in range(10)]
    tallies = [world.run(1_000) for world in worlds]
    assert sum(tally.acknowledged for tally in tallies) > 100
    assert sum(tally.read for tally in tallies) > 100
    assert sum(tally.elections for tally in tallies) > 20
    assert sum(tally.power_cuts for tally in tallies) > 10
    assert sum(world.truncations for world in worlds) > 3
