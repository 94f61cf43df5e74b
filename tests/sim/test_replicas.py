"""Replicas of one partition keep what was acknowledged, and become equal again, in every seeded world."""

import pytest

from tests.sim.replica_world import World


@pytest.mark.parametrize("seed", range(40))
def test_no_acknowledged_record_is_lost_and_logs_become_equal(seed: int) -> None:
    World(seed).run(600)


def test_the_worlds_are_not_idle() -> None:
    """A run in which nothing was acknowledged, nobody elected or nothing cut off would prove nothing."""
    worlds = [World(seed) for seed in range(10)]
    for world in worlds:
        world.run(600)
    assert sum(len(world.acknowledged) for world in worlds) > 100
    assert sum(world.elections for world in worlds) > 20
    assert sum(world.truncations for world in worlds) > 3
