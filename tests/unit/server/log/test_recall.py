"""After a clean stop too, a producer may send its last five batches again, though a snapshot has only the last one."""

import pytest

from server.log.log import Appended, Log
from server.log.producer_snapshot import Row
from server.log.producers import ProducerStates
from server.log.recovery import RECALLED_MS
from server.model.errors import Rejected
from server.records import batch
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


def test_a_truncation_does_not_make_a_log_forget_what_may_be_sent_again() -> None:
    """A follower cuts off what its leader lacks, and leads next: the producer's answers may all have been lost."""
    disk = new_disk()
    log = open_log(disk, segment_bytes=400)
    for sequence in range(12):
        log.append(idempotent(1, sequence), 0, NOW)
    assert len(log.segments) > 2
    roll = log.segments[-1].base
    log.truncate_to(roll)  # the snapshot there has the last batch before it
    assert [again(log, 1, sequence) for sequence in range(roll - 5, roll)] == [(n, True) for n in range(roll - 5, roll)]
    assert again(log, 1, roll) == (roll, False)


def test_many_producers_in_one_log_all_keep_their_windows() -> None:
    disk = new_disk()
    log = open_log(disk, segment_bytes=1 << 20, index_interval_bytes=0)
    for sequence in range(6):
        for producer in range(1, 201):
            log.append(idempotent(producer, sequence), 0, NOW)
    log = reopened(log, disk, clean=True, segment_bytes=1 << 20, index_interval_bytes=0)
    for producer in range(1, 201):
        assert [again(log, producer, sequence) for sequence in range(1, 6)] == [
            (200 * sequence + producer - 1, True) for sequence in range(1, 6)
        ]


def test_what_clients_take_for_the_time_of_day_does_not_matter() -> None:
    """Records that are copied from elsewhere bear their old times, and are sent again like all others."""
    disk = new_disk()
    log = open_log(disk)
    for sequence in range(3):
        log.append(idempotent(1, sequence, at=NOW - 2 * RECALLED_MS), 0, NOW)
    log = reopened(log, disk, clean=True, timestamp_ms=NOW)
    assert again(log, 1, 0) == (0, True)


def test_looking_back_ends_when_every_window_is_full() -> None:
    known = ProducerStates()
    heads = [batch.header(idempotent(1, sequence)) for sequence in range(9)]
    heads = [head._replace(base_offset=offset) for offset, head in enumerate(heads)]
    known.load(
        [Row(1, 0, 9, 9, 0, NOW, -1, -1), Row(2, 0, 70, 50, 0, NOW - 2, -1, -1), Row(3, 0, 0, 51, 0, NOW, -1, -1)]
    )
    assert known.recall(heads[6:], since_ms=NOW - 1), "producer 1 has four; 2 was last heard too long ago, 3 began here"
    assert not known.recall(heads[4:6], since_ms=NOW - 1)
    assert known.recall(heads[:4], since_ms=NOW - 2)
