"""The metadata quorum under loss, repetition, reordering, partitions and crashes. A seed is a world."""

import pytest

from tests.sim.raft_lives import live, play
from tests.sim.raft_world import GUSTY, STORM, World


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


def test_a_flush_that_others_have_overtaken_is_nothing_to_a_log_that_was_cut_since() -> None:
    play(112)
