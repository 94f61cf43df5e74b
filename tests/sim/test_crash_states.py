"""At least 2,000 disk states that a crash may leave, recovered and judged; tests/sim/crash_states.py tells how."""

import logging
from collections.abc import Iterator

import pytest

from tests.sim import compaction_states
from tests.sim.crash_states import live

WANTED, LIVES = 2_500, 8
WANTED_IN_COMPACTION = 400


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("worker", range(LIVES))
def test_a_log_recovers_from_every_crash(worker: int) -> None:
    """Each life's seed is in its failures; `python -m tests.sim.crash_states 10000` judges as many as one likes."""
    judged, seed = 0, worker
    while judged < WANTED / LIVES:
        judged += live(seed)
        seed += LIVES
    assert judged >= WANTED / LIVES


def test_a_log_recovers_from_every_crash_while_it_is_compacted() -> None:
    judged, seed = 0, 0
    while judged < WANTED_IN_COMPACTION:
        judged += compaction_states.live(seed)
        seed += 1
    assert judged >= WANTED_IN_COMPACTION
