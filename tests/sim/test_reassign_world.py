"""Replicas that move while nodes crash: nothing acknowledged is lost, every move ends, nothing is left on a disk."""

import pytest

from tests.sim.reassign_world import run


@pytest.mark.parametrize("seed", range(6))
def test_moves_and_crashes_lose_nothing_and_leave_nothing_behind(seed: int) -> None:
    report = run(seed, seconds=6)
    assert report.records > 20


def test_the_worlds_move_and_cancel() -> None:
    reports = [run(seed, seconds=6) for seed in (302, 306, 311)]
    assert sum(report.moves for report in reports) > 2
    assert sum(report.cancels for report in reports) > 0
    assert sum(report.deletions for report in reports) > 0


def test_a_world_is_the_same_each_time() -> None:
    assert run(3, seconds=3) == run(3, seconds=3)
