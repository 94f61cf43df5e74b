"""The metadata quorum under loss, repetition, reordering, partitions and crashes. A seed is a world."""

import pytest

from tests.sim.raft_world import World

MISCHIEF_MS = 12_000
CALM_MS = 12_000


def live(world: World) -> None:
    """Let mischief rule for a while, then calm; the judges watch throughout."""
    while world.now_ms < MISCHIEF_MS:
        world.run(world.now_ms + world.rng.randrange(120))
        world.mischief()
        world.judge_logs()
    world.heal()
    world.run(world.now_ms + CALM_MS)
    for node in world.leading():
        world.append(node, 1)
    world.run(world.now_ms + 4_000)
    world.judge_logs()
    world.judge_end()


@pytest.mark.parametrize("seed", range(120))
def test_a_configured_quorum_keeps_what_it_committed(seed: int) -> None:
    world = World(seed, voters=(3, 3, 5, 2, 1, 4)[seed % 6], observers=seed % 2, snapshots=seed % 3 > 0)
    live(world)
    assert world.leaders


@pytest.mark.parametrize("seed", range(1000, 1080))
def test_a_quorum_whose_voters_change_keeps_what_it_committed(seed: int) -> None:
    world = World(seed, voters=1 + seed % 3, observers=3 - seed % 2, dynamic=True)
    live(world)
    assert world.leaders
