"""Compaction: the latest record of every key stays, and what readers and producers still need."""

from typing import Any

import pytest

from server.log import compaction
from server.log.compaction import Compaction
from server.log.log import Log, Origin
from server.records import batch, build
from server.records.batch import Record
from tests.sim.disk import MemoryDisk
from tests.support.logs import ABORT, COMMIT, FOLDER, NOW, idempotent, marker, new_disk, open_log, reopened

SETTINGS: dict[str, Any] = {
    "cleanup_policy": frozenset({"compact"}),
    "segment_bytes": 250,
    "index_interval_bytes": 0,
    "delete_retention_ms": 1000,
}


def put(*pairs: tuple[str, str | None], at: int = NOW, **given: Any) -> bytearray:
    made = [Record(0, at, key.encode(), None if value is None else value.encode()) for key, value in pairs]
    return bytearray(build.build(made, **given))


def filled(disk: MemoryDisk, *batches: bytearray, **given: Any) -> Log:
    log = open_log(disk, **{**SETTINGS, **given})
    for data in batches:
        origin = Origin.COORDINATOR if batch.header(data).is_control else Origin.CLIENT
        log.append(data, 0, NOW, origin=origin)
    log.roll(NOW)
    log.hw = log.leo
    return log


def compacted(log: Log, now: int = NOW, cleaned_to: int = 0) -> int:
    work = Compaction(log, cleaned_to, now)
    while work.step(1):
        pass
    return work.cleaned_to


def found(log: Log) -> list[tuple[int, str, str | None]]:
    """(offset, key, value) of every record but the markers'."""
    out, offset = [], log.log_start_offset
    while offset < log.leo:
        part = log.read(offset, 1 << 20, log.leo)
        for at, head in batch.headers(part.data):
            batch.verify(part.data, at)
            for record in () if head.is_control else batch.records(part.data, at):
                assert record.key is not None
                value = None if record.value is None else record.value.decode()
                out.append((record.offset, record.key.decode(), value))
        if part.next_offset == offset:
            break
        offset = part.next_offset
    return out


def heads(log: Log) -> list[tuple[int, int, int, bool]]:
    """(base offset, last offset, records, control) of every batch."""
    return [
        (head.base_offset, head.last_offset, head.count, head.is_control)
        for segment in log.segments
        for _, head in batch.headers(log.files.disk.read(segment.log_path))
    ]


def test_the_latest_record_of_every_key_stays_at_its_offset() -> None:
    log = filled(new_disk(), put(("a", "1"), ("b", "1")), put(("a", "2")), put(("c", "1"), ("a", "3")))
    assert compacted(log) == 5
    assert found(log) == [(1, "b", "1"), (3, "c", "1"), (4, "a", "3")]
    assert [batch.header(log.read(offset, 1, 5).data).base_offset for offset in range(5)] == [0, 0, 3, 3, 3]


def test_only_closed_segments_are_cleaned() -> None:
    log = filled(new_disk(), put(("a", "1")))
    log.append(put(("a", "2")), 0, NOW)
    assert compacted(log) == 1
    assert found(log) == [(0, "a", "1"), (1, "a", "2")]


def test_small_segments_become_one() -> None:
    log = filled(new_disk(), *(put((f"k{n % 3}", "v" * 100)) for n in range(12)))
    compacted(log)
    assert [segment.size > 0 for segment in log.segments] == [False] * 9 + [True] * 3 + [False]
    compacted(log)
    assert [segment.base for segment in log.segments] == [0, 10, 11, 12]
    assert [offset for offset, _, _ in found(log)] == [9, 10, 11]


def test_a_second_round_goes_on_where_the_first_one_ended() -> None:
    log = filled(new_disk(), put(("a", "1")), put(("b", "1")))
    end = compacted(log)
    log.append(put(("a", "2")), 0, NOW)
    log.roll(NOW)
    log.hw = log.leo
    assert compacted(log, cleaned_to=end) == 3
    assert found(log) == [(1, "b", "1"), (2, "a", "2")]


def test_a_tombstone_stays_until_its_time() -> None:
    """KIP-534: the time runs from the first round that saw it."""
    log = filled(new_disk(), put(("a", "1")), put(("a", None), ("b", "1")))
    compacted(log, now=NOW + 50_000)
    assert found(log) == [(1, "a", None), (2, "b", "1")]
    compacted(log, now=NOW + 50_999)
    assert found(log) == [(1, "a", None), (2, "b", "1")]
    compacted(log, now=NOW + 51_000)
    assert found(log) == [(2, "b", "1")]
    assert log.offset_by_timestamp(NOW) is not None


def test_long_keys_are_told_apart() -> None:
    one, two = "k" * 40 + "1", "k" * 40 + "2"
    log = filled(new_disk(), put((one, "1")), put((two, "1")), put((one, "2")))
    compacted(log)
    assert found(log) == [(1, two, "1"), (2, one, "2")]


def test_what_is_young_waits() -> None:
    log = filled(new_disk(), put(("a", "1")), put(("a", "2" * 150), at=NOW + 500), min_compaction_lag_ms=1000)
    assert compaction.clean_up_to(log, NOW + 1400) == 1
    assert compaction.clean_up_to(log, NOW + 1500) == 2
    assert compacted(log, now=NOW + 1500) == 2


def test_a_round_is_worth_it_when_enough_is_dirty_or_old() -> None:
    log = filled(new_disk(), *(put((f"k{n}", "v" * 150)) for n in range(4)), max_compaction_lag_ms=5000)
    assert compaction.dirtiness(log, 0, NOW) == 1.0
    assert compaction.dirtiness(log, 1, NOW) == 0.75
    assert compaction.dirtiness(log, 2, NOW) == 0.0
    assert compaction.dirtiness(log, 2, NOW + 5001) == 0.5
    assert compaction.dirtiness(log, 4, NOW + 5001) == 0.0
    log.settings = open_log(new_disk()).settings
    assert compaction.dirtiness(log, 0, NOW) == 0.0


def test_records_of_aborted_transactions_go_and_those_of_committed_ones_stay() -> None:
    log = filled(
        new_disk(),
        put(("a", "1")),
        put(("a", "2"), ("b", "2"), producer_id=7, producer_epoch=0, base_sequence=0, transactional=True),
        marker(7, ABORT),
        put(("c", "3"), producer_id=7, producer_epoch=0, base_sequence=2, transactional=True),
        marker(7, COMMIT),
        segment_bytes=2000,
    )
    compacted(log)
    assert found(log) == [(0, "a", "1"), (4, "c", "3")]
    assert [txn.first_offset for txn in log.aborted(0, 6)] == [1]


def test_the_marker_of_a_transaction_that_is_gone_goes_too_in_time() -> None:
    log = filled(
        new_disk(),
        put(("a", "2"), producer_id=7, producer_epoch=0, base_sequence=0, transactional=True),
        marker(7, ABORT),
        put(("a", "3"), producer_id=7, producer_epoch=0, base_sequence=1),
        segment_bytes=2000,
    )
    assert compacted(log, now=NOW) == 3
    assert heads(log) == [(1, 1, 1, True), (2, 2, 1, False)]
    assert len(log.aborted(0, 3)) == 1
    compacted(log, now=NOW + 10)  # nothing is left of it: its time begins
    assert log.aborted(0, 3) == []
    compacted(log, now=NOW + 1010)
    assert heads(log) == [(2, 2, 1, False)]


def test_an_open_transaction_ends_what_may_be_cleaned() -> None:
    log = filled(
        new_disk(),
        put(("a", "1")),
        put(("a", "2"), producer_id=7, producer_epoch=0, base_sequence=0, transactional=True),
        put(("a", "3")),
    )
    assert compacted(log) == 1
    assert len(found(log)) == 3


@pytest.mark.parametrize("clean", [True, False])
def test_the_last_batch_of_a_producer_stays_without_its_records(clean: bool) -> None:
    disk = new_disk()
    log = filled(
        disk,
        put(("a", "1"), producer_id=7, producer_epoch=0, base_sequence=0),
        put(("a", "2"), producer_id=7, producer_epoch=0, base_sequence=1),
        put(("a", "3")),
        segment_bytes=2000,
    )
    compacted(log)
    assert heads(log) == [(1, 1, 0, False), (2, 2, 1, False)]
    for name in disk.list(FOLDER):
        if name.endswith(".snapshot"):
            disk.remove(f"{FOLDER}/{name}")
    again = reopened(log, disk, clean=clean, **SETTINGS)
    again.append(idempotent(7, 2, key=b"a"), 0, NOW)


def test_a_compacted_log_is_opened_as_it_is() -> None:
    disk = new_disk()
    log = filled(disk, *(put((f"k{n % 3}", "v" * 60)) for n in range(9)))
    compacted(log)
    expected = found(log)
    indexes = [list(segment.offsets.positions) for segment in log.segments]
    again = reopened(log, disk, clean=True, **SETTINGS)
    assert (found(again), [list(segment.offsets.positions) for segment in again.segments]) == (expected, indexes)
    assert found(reopened(log, disk, clean=False, **SETTINGS)) == expected


def test_the_old_files_go_later() -> None:
    disk = new_disk()
    log = filled(disk, put(("a", "1")), put(("a", "2" * 150)), file_delete_delay_ms=100)
    compacted(log)
    assert f"{0:020d}.log.deleted" in disk.list(FOLDER)
    log.tick(0, NOW, 2)
    log.tick(100, NOW, 2)
    assert not [name for name in disk.list(FOLDER) if name.endswith((".deleted", ".cleaned", ".swap"))]


def test_nothing_is_rewritten_where_nothing_changes() -> None:
    disk = new_disk()
    log = filled(disk, put(("a", "1" * 120)), put(("b", "1" * 120)))
    compacted(log)
    assert not [name for name in disk.list(FOLDER) if name.endswith((".deleted", ".cleaned", ".swap"))]
    assert [segment.base for segment in log.segments] == [0, 1, 2]


@pytest.mark.parametrize("steps", range(12))
def test_a_truncation_underneath_ends_the_round(steps: int) -> None:
    log = filled(new_disk(), *(put((f"k{n % 2}", "v" * 60)) for n in range(6)))
    work = Compaction(log, 0, NOW)
    for _ in range(steps):
        work.step(1)
    log.truncate_to(3)
    expected = found(log)
    while work.step(1):
        pass
    if work.cleaned_to == 0:
        assert {key: value for _, key, value in found(log)} == {key: value for _, key, value in expected}
    assert log.append(put(("k0", "new")), 1, NOW).base_offset == 3
    assert not log.failed


def test_too_many_keys_are_left_to_the_next_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MAX_KEYS", 3)
    log = filled(new_disk(), *(put((f"k{n % 4}", str(n))) for n in range(8)), segment_bytes=150)
    end = compacted(log)
    assert end == 3
    while end < 8:
        end = compacted(log, cleaned_to=end)
    assert [offset for offset, _, _ in found(log)] == [4, 5, 6, 7]
