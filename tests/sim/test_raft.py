"""The metadata quorum under loss, repetition, reordering, partitions and crashes. A seed is a world."""

import pytest

from tests.sim.raft_world import GUSTY, STORM, World

MISFORTUNES = 90


def live(world: World) -> None:
    """Let mischief rule for a while, then calm; the judges watch throughout."""
    for _ in range(MISFORTUNES):
        world.run(world.now_ms + world.rng.randrange(world.weather.gap_ms))
        world.mischief()
        if world.rng.random() < 0.3:
            world.judge_logs()
            world.judge_voters()
    world.heal()
    # The longest that a message is late, some rounds of elections, and time to fetch.
    times = world.weather.settings
    world.run(world.now_ms + world.weather.latest_ms + 4 * times.fetch_timeout_ms)
    for node in world.leading():
        world.append(node, 1)
    world.run(world.now_ms + 2 * times.fetch_timeout_ms)
    world.judge_logs()
    world.judge_voters()
    world.judge_end()


@pytest.mark.parametrize("seed", range(60))
def test_a_configured_quorum_keeps_what_it_committed(seed: int) -> None:
    live(World(seed, GUSTY, voters=(3, 3, 5, 2, 1, 4)[seed % 6], observers=seed % 2, snapshots=seed % 3 > 0))


@pytest.mark.parametrize("seed", range(1000, 1040))
def test_a_quorum_whose_voters_change_keeps_what_it_committed(seed: int) -> None:
    live(World(seed, GUSTY, voters=1 + seed % 3, observers=3 - seed % 2, dynamic=True))


@pytest.mark.parametrize("seed", range(2000, 2150))
def test_a_configured_quorum_keeps_what_it_committed_in_a_storm(seed: int) -> None:
    live(World(seed, STORM, voters=(3, 5, 4)[seed % 3], snapshots=seed % 2 > 0))


@pytest.mark.parametrize("seed", range(3000, 3100))
def test_a_quorum_whose_voters_change_keeps_what_it_committed_in_a_storm(seed: int) -> None:
    live(World(seed, STORM, voters=1 + seed % 4, observers=2, dynamic=True))
