"""After a clean stop too, a producer may send its last five batches again, though a snapshot has only the last one."""

import pytest

from server.log.log import Appended, Log
from server.log.recovery import RECALLED_MS
from server.model.errors import Rejected
from tests.support.logs import NOW, idempotent, new_disk, open_log, reopened


def again(log: Log, producer_id: int, sequence: int, **given: int) -> tuple[int, bool]:
    """Send a batch once more: its offset, and whether it was known."""
    answer: Appended = log.append(idempotent(producer_id, sequence, **given), 0, NOW)
    return answer.base_offset, answer.duplicate


@pytest.mark.parametrize("segment_bytes", [1 << 30, 400])
def test_the_last_five_batches_are_known_after_a_clean_stop(segment_bytes: int) -> None:
    disk = new_disk()
    log = open_log(disk, segment_bytes=segment_bytes, index_interval_bytes=0)
    for sequence in range(0, 14, 2):
        log.append(idempotent(1, sequence, count=2), 0, NOW)
        log.append(idempotent(2, sequence, count=2), 0, NOW)
    log = reopened(log, disk, clean=True, segment_bytes=segment_bytes, index_interval_bytes=0)
    assert [again(log, 1, sequence, count=2) for sequence in range(4, 14, 2)] == [(8 + 4 * n, True) for n in range(5)]
    assert [again(log, 2, sequence, count=2) for sequence in range(4, 14, 2)] == [(10 + 4 * n, True) for n in range(5)]
    assert again(log, 1, 14) == (28, False)


def test_what_is_six_batches_back_is_forgotten_as_in_a_living_log() -> None:
    disk = new_disk()
    log = open_log(disk)
    for sequence in range(6):
        log.append(idempotent(1, sequence), 0, NOW)
    log = reopened(log, disk, clean=True)
    with pytest.raises(Rejected, match="OUT_OF_ORDER"):
        again(log, 1, 0)
    assert again(log, 1, 1) == (1, True)


def test_batches_of_an_earlier_epoch_are_not_recalled() -> None:
    disk = new_disk()
    log = open_log(disk)
    log.append(idempotent(1, 0), 0, NOW)
    log.append(idempotent(1, 0, epoch=1), 0, NOW)
    log.append(idempotent(1, 1, epoch=1), 0, NOW)
    log = reopened(log, disk, clean=True)
    assert again(log, 1, 0, epoch=1) == (1, True)
    with pytest.raises(Rejected, match="EPOCH"):
        again(log, 1, 0)


def test_nobody_looks_back_for_producers_that_are_long_gone() -> None:
    disk = new_disk()
    log = open_log(disk)
    for sequence in range(3):
        log.append(idempotent(1, sequence, at=NOW), 0, NOW)
    log = reopened(log, disk, clean=True, timestamp_ms=NOW + RECALLED_MS + 1)
    assert again(log, 1, 2) == (2, True)
    with pytest.raises(Rejected, match="OUT_OF_ORDER"):
        again(log, 1, 0)
