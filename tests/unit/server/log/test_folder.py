"""Rolls, syncs, truncations and retention of a log's files."""

from typing import Any

import pytest

from server.log import checkpoints
from server.log.log import Log, Origin
from server.log.open_files import OpenFiles
from server.model.errors import ErrorCode, Rejected
from tests.sim.disk import MemoryDisk
from tests.support.logs import (
    ABORT,
    FOLDER,
    NOW,
    content,
    idempotent,
    marker,
    new_disk,
    open_log,
    records,
    reopened,
)

EIO = 5


class Recorder:
    """An owner that notes when it was asked to write its checkpoints."""

    def __init__(self) -> None:
        self.points: list[tuple[int, int]] = []
        self.errors: list[int | None] = []

    def log_failed(self, log: object, error: OSError) -> None:
        self.errors.append(error.errno)

    def checkpoint_now(self, log: object) -> None:
        assert isinstance(log, Log)
        self.points.append((log.recovery_point, log.log_start_offset))


def bases(log: Log) -> list[int]:
    return [segment.base for segment in log.segments]


def filled(disk: MemoryDisk, batches: int, **given: Any) -> Log:
    """Three batches of one record to a segment."""
    log = open_log(disk, segment_bytes=270, **given)
    for _ in range(batches):
        log.append(records(1), 0, NOW)
    return log


# -- rolls


def test_a_segment_rolls_before_it_is_too_large() -> None:
    log = filled(new_disk(), 7)
    assert bases(log) == [0, 3, 6]
    assert all(segment.size <= 270 for segment in log.segments)


def test_a_segment_rolls_when_its_batches_are_far_apart_in_time() -> None:
    log = open_log(new_disk(), segment_ms=1000)
    for at in (0, 1000, 1001, 500):
        log.append(records(1, at=NOW + at), 0, NOW)
    assert bases(log) == [0, 2]


def test_a_segment_without_timestamps_rolls_by_the_clock() -> None:
    log = open_log(new_disk(), segment_ms=1000)
    for now in (0, 1000, 1001):
        log.append(records(1, at=-1), 0, NOW + now)
    assert bases(log) == [0, 2]


def test_jitter_brings_rolls_forward() -> None:
    log = open_log(new_disk(), segment_ms=1000, segment_jitter_ms=400, jitter=lambda stop: stop - 1)
    for at in (0, 601, 602):
        log.append(records(1, at=NOW + at), 0, NOW)
    assert bases(log) == [0, 2]


def test_a_segment_rolls_when_its_index_is_full() -> None:
    log = open_log(new_disk(), segment_index_bytes=36, index_interval_bytes=0)
    for _ in range(5):
        log.append(records(1), 0, NOW)
    assert bases(log) == [0, 3]


def test_a_segment_rolls_when_an_offset_is_too_far_from_its_base() -> None:
    log = open_log(new_disk())
    log.append(records(1), 0, NOW)
    data = records(1)
    data[:8] = (1 << 31).to_bytes(8, "big")
    log.append_as_follower(data)
    assert bases(log) == [0, 1]
    data = records(1)
    data[:8] = ((1 << 31) + 1).to_bytes(8, "big")
    log.append_as_follower(data)
    assert bases(log) == [0, 1, (1 << 31) + 1]
    data = records(1)
    data[:8] = (1 << 40).to_bytes(8, "big")
    log.append_as_follower(data)
    assert bases(log) == [0, 1, (1 << 31) + 1, (1 << 40) - (1 << 31) + 1]
    assert len(content(log)) == 4 * 88


def test_what_was_staged_is_written_to_its_own_segment() -> None:
    log = open_log(new_disk(), segment_bytes=270)
    for _ in range(5):
        log.stage(records(1), 0, NOW)
    log.write()
    assert [segment.written for segment in log.segments] == [264, 176]
    assert len(content(log)) == 440


# -- syncs


def test_a_flush_makes_everything_durable() -> None:
    disk = new_disk()
    log = filled(disk, 5)
    log.flush()
    assert log.recovery_point == 5
    for base in bases(log):
        path = f"{FOLDER}/{base:020d}.log"
        assert disk.synced(path) == disk.read(path)


def test_flush_messages_flushes_by_itself() -> None:
    log = open_log(new_disk(), flush_messages=3)
    points = []
    for _ in range(4):
        log.append(records(1), 0, NOW)
        points.append(log.recovery_point)
    assert points == [0, 0, 3, 3]


def test_flush_ms_flushes_at_a_tick() -> None:
    log = open_log(new_disk(), flush_ms=100)
    log.append(records(1), 0, NOW)
    log.tick(99, NOW, 1)
    assert log.recovery_point == 0
    log.tick(100, NOW, 1)
    assert log.recovery_point == 1


def test_rolled_segments_are_synced_by_a_job_that_moves_the_recovery_point() -> None:
    disk = new_disk()
    log = filled(disk, 7)
    job = log.sync_job()
    assert job is not None
    assert log.sync_job() is None  # one at a time
    job.run()
    assert log.recovery_point == 0
    job.finish()
    assert log.recovery_point == 6
    assert disk.synced(f"{FOLDER}/{3:020d}.log") == disk.read(f"{FOLDER}/{3:020d}.log")
    assert log.sync_job() is None


def test_a_job_that_a_truncation_overtook_says_nothing() -> None:
    log = filled(new_disk(), 7)
    job = log.sync_job()
    assert job is not None
    job.run()
    log.truncate_to(4)
    job.finish()
    assert log.recovery_point == 4


def test_a_job_whose_disk_fails_fences_the_log() -> None:
    disk, owner = new_disk(), Recorder()
    log = filled(disk, 7, owner=owner)
    job = log.sync_job()
    assert job is not None
    disk.fail(EIO, "sync")
    job.run()
    assert not log.failed
    job.finish()
    assert (log.failed, owner.errors) == (True, [EIO])


# -- truncation


def test_truncation_drops_whole_batches_and_segments() -> None:
    log = open_log(new_disk(), segment_bytes=270)
    for epoch in range(6):
        log.append(idempotent(7, 0, epoch=epoch), epoch, NOW)
    whole = content(log)
    log.truncate_to(4)
    assert (log.leo, bases(log), content(log)) == (4, [0, 3], whole[: 4 * 88])
    assert log.epochs.latest == 3
    assert log.producers.describe()[0].producer_epoch == 3
    log.append(idempotent(7, 0, epoch=9), 9, NOW)
    assert log.epochs.entries[-1] == (9, 4)


def test_truncation_within_a_batch_drops_it_whole() -> None:
    log = open_log(new_disk())
    log.append(records(3), 0, NOW)
    log.append(records(3), 0, NOW)
    log.truncate_to(4)
    assert log.leo == 3


def test_truncation_leaves_nothing_in_the_indexes() -> None:
    log = open_log(new_disk(), segment_bytes=1000, index_interval_bytes=0)
    for _ in range(5):
        log.append(records(1), 0, NOW)
    log.truncate_to(2)
    for _ in range(3):
        log.append(records(1, size=50), 0, NOW)
    assert list(log.segments.active.offsets.offsets) == [1, 3, 4]
    assert list(log.segments.active.offsets.positions) == [88, 294, 412]


def test_a_reader_that_comes_back_after_a_truncation_gets_what_is_there_now() -> None:
    log = open_log(new_disk())
    for _ in range(4):
        log.append(records(1), 0, NOW)
    assert log.read(0, 270, 4).next_offset == 3
    log.truncate_to(1)
    for _ in range(4):
        log.append(records(1, size=33), 0, NOW)
    assert bytes(log.read(3, 1, 5).data) == content(log)[88 + 2 * 101 : 88 + 3 * 101]


def test_truncation_opens_the_transaction_again_whose_end_it_drops() -> None:
    log = open_log(new_disk())
    log.append(idempotent(7, 0, transactional=True), 0, NOW)
    log.append(marker(7, ABORT), 0, NOW, origin=Origin.COORDINATOR)
    log.truncate_to(1)
    assert (log.lso(1), log.aborted(0, 10)) == (0, [])
    log.append(marker(7, ABORT), 0, NOW, origin=Origin.COORDINATOR)
    assert [txn.first_offset for txn in log.aborted(0, 10)] == [0]


def test_truncation_lowers_the_written_recovery_point_first() -> None:
    owner = Recorder()
    log = filled(new_disk(), 7, owner=owner)
    log.flush()
    log.truncate_to(5)
    assert owner.points == [(5, 0)]
    log.truncate_to(100)
    assert log.leo == 5


def test_truncation_corrects_the_largest_timestamp() -> None:
    log = open_log(new_disk(), index_interval_bytes=0)
    for at in (5, 9, 7, 20):
        log.append(records(1, at=at), 0, NOW)
    log.truncate_to(3)
    assert log.segments.active.max_timestamp == (9, 1)


def test_a_log_begins_anew_elsewhere() -> None:
    log = filled(new_disk(), 5)
    log.append(idempotent(7, 0), 3, NOW)
    log.truncate_fully_and_start_at(100)
    assert (log.log_start_offset, log.leo, bases(log), log.epochs.entries, len(log.producers)) == (
        100,
        100,
        [100],
        [],
        0,
    )
    assert log.append(records(1), 4, NOW).base_offset == 100


# -- retention


def kept(log: Log, hw: int | None = None, now: int = 0) -> list[int]:
    log.tick(0, NOW + now, log.leo if hw is None else hw)
    return bases(log)


def test_retention_by_bytes_keeps_at_least_so_many() -> None:
    log = filled(new_disk(), 9, retention_bytes=528)
    assert kept(log) == [3, 6]
    assert log.log_start_offset == 3
    assert log.epochs.entries == [(0, 3)]


def test_retention_by_time_goes_by_the_largest_timestamp_even_of_the_active_segment() -> None:
    log = open_log(new_disk(), segment_bytes=90, retention_ms=1000)
    for at in (5, 900, 300):
        log.append(records(1, at=NOW + at), 0, NOW)
    assert kept(log, now=1005) == [0, 1, 2]
    assert kept(log, now=1006) == [1, 2]
    assert kept(log, now=1900) == [1, 2]
    assert kept(log, now=1901) == [3]
    assert (log.log_start_offset, log.leo) == (3, 3)


def test_retention_never_passes_the_high_watermark() -> None:
    log = filled(new_disk(), 9, retention_bytes=0)
    assert kept(log, hw=5) == [3, 6]
    assert kept(log, hw=8) == [6]
    assert kept(log, hw=9) == [9]


def test_what_is_below_the_log_start_goes_whatever_the_policy() -> None:
    log = filled(new_disk(), 9, retention_ms=-1, cleanup_policy=frozenset())
    log.advance_log_start(7)
    assert kept(log, hw=9) == [6]
    assert log.log_start_offset == 7


def test_deleted_files_have_another_name_until_their_time() -> None:
    disk = new_disk()
    log = filled(disk, 4, retention_bytes=0, file_delete_delay_ms=500)
    log.tick(1000, NOW, 3)
    gone = f"{FOLDER}/{0:020d}.log.deleted"
    assert (disk.exists(gone), disk.exists(gone[:-8])) == (True, False)
    log.tick(1499, NOW, 3)
    assert disk.exists(gone)
    log.tick(1500, NOW, 3)
    assert not disk.exists(gone)


def test_the_log_start_moves_forward_only_and_durably() -> None:
    owner = Recorder()
    log = filled(new_disk(), 5, owner=owner)
    log.advance_log_start(4)
    log.advance_log_start(2)
    assert (log.log_start_offset, owner.points) == (4, [(0, 4)])
    with pytest.raises(Rejected) as refusal:
        log.advance_log_start(6)
    assert refusal.value.code is ErrorCode.OFFSET_OUT_OF_RANGE


def test_producers_expire_at_a_tick() -> None:
    log = open_log(new_disk(), producer_id_expiration_ms=1000)
    log.append(idempotent(7, 0), 0, NOW)
    log.tick(0, NOW + 999, 1)
    assert len(log.producers) == 1
    log.tick(0, NOW + 1000, 1)
    assert len(log.producers) == 0


# -- the end


def test_a_closed_log_owes_nothing_and_is_opened_by_a_look() -> None:
    disk = new_disk()
    log = filled(disk, 5)
    log.append(idempotent(7, 0), 3, NOW)
    log.close()
    files = disk.files()
    assert all(disk.synced(path) == data for path, data in files.items())
    assert checkpoints.parse_epochs(files[f"{FOLDER}/leader-epoch-checkpoint"]) == [(0, 0), (3, 5)]
    again = reopened(log, disk, clean=True, segment_bytes=270)
    assert (again.leo, again.recovery_point, again.epochs.entries) == (6, 6, [(0, 0), (3, 5)])
    assert again.producers.rows() == log.producers.rows()
    again.close()
    assert disk.files() == files


def test_no_more_files_are_open_than_allowed() -> None:
    disk = new_disk()
    files = OpenFiles(disk, limit=4)
    logs = [open_log(disk, f"/data/t-{n}", files=files) for n in range(10)]
    for turn in range(3):
        for log in logs:
            assert log.append(records(1), 0, NOW).base_offset == turn
            assert log.read(turn, 100, turn + 1).next_offset == turn + 1
            assert disk.open_files <= 4
    for log in logs:
        log.close()
    assert disk.open_files == 0
