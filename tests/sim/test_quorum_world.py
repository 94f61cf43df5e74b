"""Clusters of whole nodes, by seed: the quorum, the controller, and what they keep."""

import pytest

from tests.sim import quorum_world

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_controller_acknowledged_stays(seed: int) -> None:
    quorum_world.run(seed)


def test_a_world_can_be_played_again() -> None:
    """The same seed gives the same trace, line for line."""

    def traced() -> list[str]:
        lines: list[str] = []
        quorum_world.run(3, 5, lines.append)
        return lines

    first = traced()
    assert len(first) > 10
    assert traced() == first
