"""Exactly once, in a handful of seeds; thousands by `make sim`."""

import pytest

from tests.sim import txn_world


@pytest.mark.parametrize("seed", range(5))
def test_records_are_copied_exactly_once(seed: int) -> None:
    report = txn_world.run(seed, 6)
    assert report.commits > 0
    assert report.read > 0
