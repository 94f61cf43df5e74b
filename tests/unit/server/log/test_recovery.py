"""Opening logs that were stopped cleanly, that crashed, or that somebody damaged."""

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.log.log import Log, Origin
from server.model.errors import ErrorCode, Rejected
from server.records import batch
from tests.sim.disk import MemoryDisk
from tests.support.logs import ABORT, FOLDER, NOW, content, idempotent, marker, new_disk, open_log, reopened

FIXTURES = Path(__file__).parents[3] / "fixtures" / "log"
SMALL: dict[str, Any] = {"segment_bytes": 270, "index_interval_bytes": 0}


def path(base: int, suffix: str = ".log") -> str:
    return f"{FOLDER}/{base:020d}{suffix}"


def filled(disk: MemoryDisk, batches: int = 8) -> Log:
    """Three batches to a segment, one record each, an aborted transaction at the beginning."""
    log = open_log(disk, **SMALL)
    log.append(idempotent(7, 0, transactional=True), 0, NOW)
    log.append(marker(7, ABORT), 0, NOW, origin=Origin.COORDINATOR)
    for n in range(2, batches):
        log.append(idempotent(8, n - 2, at=NOW + n), n // 3, NOW)
    return log


def overwrite(disk: MemoryDisk, name: str, data: bytes, at: int = 0) -> None:
    file = disk.open(name, create=True)
    file.pwritev([data], at)
    file.close()


def cut(disk: MemoryDisk, name: str, size: int) -> None:
    file = disk.open(name)
    file.truncate(size)
    file.close()


def state(log: Log) -> tuple[object, ...]:
    return (
        log.leo,
        content(log),
        log.epochs.entries,
        sorted(log.producers.rows()),
        log.aborted(0, 1 << 40),
        [list(segment.offsets.positions) for segment in log.segments],
        [segment.max_timestamp for segment in log.segments],
    )


def test_after_a_kill_nothing_written_is_missing() -> None:
    disk = new_disk()
    log = filled(disk)
    assert state(reopened(log, disk, clean=False, **SMALL)) == state(log)


def test_a_torn_tail_is_cut_and_appends_go_on() -> None:
    disk = new_disk()
    log = filled(disk)
    whole = content(log)
    cut(disk, path(6), 88 + 50)
    again = reopened(log, disk, clean=False, **SMALL)
    assert (again.leo, content(again), disk.size(path(6))) == (7, whole[:-88], 88)
    assert again.append(idempotent(8, 5), 2, NOW).base_offset == 7


@pytest.mark.parametrize("tail", [bytes(200), b"\xff" * 200, bytes(16) + b"\1" + bytes(100)])
def test_a_tail_of_rubble_is_cut(tail: bytes) -> None:
    disk = new_disk()
    log = filled(disk)
    before = state(log)
    overwrite(disk, path(6), tail, disk.size(path(6)))
    assert state(reopened(log, disk, clean=False, **SMALL)) == before


def test_a_corrupt_batch_ends_the_log_with_all_that_follows() -> None:
    disk = new_disk()
    log = filled(disk)
    whole = content(log)
    overwrite(disk, path(3), b"X", 88 + 80)
    again = reopened(log, disk, clean=False, **SMALL)
    assert (again.leo, content(again)) == (4, whole[: 4 * 88 - (88 - 78)])
    assert [name for name in disk.list(FOLDER) if name.endswith(".log")] == [f"{0:020d}.log", f"{3:020d}.log"]
    assert again.epochs.latest == 1


def test_segments_below_the_recovery_point_are_not_read() -> None:
    disk = new_disk()
    log = filled(disk)
    log.flush()
    overwrite(disk, path(0), b"X", 70)
    again = reopened(log, disk, clean=False, **SMALL)
    assert again.leo == 8
    again.recovery_point = 0
    assert reopened(again, disk, clean=False, **SMALL).leo == 0


def test_a_hole_ends_a_log_that_is_not_compacted() -> None:
    disk = new_disk()
    log = filled(disk)
    cut(disk, path(3), 88)
    assert reopened(log, disk, clean=False, **SMALL).leo == 4
    disk = new_disk()
    log = filled(disk)
    cut(disk, path(3), 88)
    assert reopened(log, disk, clean=False, cleanup_policy=frozenset({"compact"}), **SMALL).leo == 8


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("damage", ["missing", "torn", "wrong", "empty room"])
def test_a_damaged_index_is_built_again_even_after_a_clean_stop(suffix: str, damage: str) -> None:
    disk = new_disk()
    log = filled(disk)
    before = state(log)
    log.close()
    name = path(3, suffix)
    if damage == "missing":
        disk.remove(name)
    elif damage == "torn":
        cut(disk, name, 7)
    elif damage == "wrong":
        overwrite(disk, name, b"\0\0\0\1\0\0\0\2" if suffix == ".index" else b"\0" * 8)
    else:
        overwrite(disk, name, bytes(1000), disk.size(name))
    again = reopened(log, disk, clean=True, **SMALL)
    for offset in range(8):
        assert batch.header(again.read(offset, 1, 8).data).base_offset == offset
    if damage != "wrong":
        assert state(again) == before


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_a_missing_or_damaged_snapshot_is_replaced_by_a_replay(damage: str) -> None:
    disk = new_disk()
    log = filled(disk)
    before = state(log)
    log.close()
    if damage == "missing":
        disk.remove(path(8, ".snapshot"))
    else:
        overwrite(disk, path(8, ".snapshot"), b"X", 20)
    assert state(reopened(log, disk, clean=True, **SMALL)) == before


def test_a_torn_segment_behind_the_only_snapshot_is_cut() -> None:
    disk = new_disk()
    log = filled(disk, 7)
    log.settings = replace(log.settings, retention_bytes=0)
    log.tick(0, NOW, 6)
    log.append(idempotent(8, 5), 2, NOW)
    assert [segment.base for segment in log.segments] == [6]
    overwrite(disk, path(6), bytes(88), 88)
    again = reopened(log, disk, clean=False, **SMALL)
    assert (again.leo, again.size) == (7, 88)


def test_a_stop_that_was_not_so_clean_is_recovered() -> None:
    disk = new_disk()
    log = filled(disk)
    log.close()
    cut(disk, path(6), 88 + 50)
    assert reopened(log, disk, clean=True, **SMALL).leo == 7


def test_what_was_half_done_is_undone() -> None:
    disk = new_disk()
    log = filled(disk)
    before = state(log)
    log.close()
    for name in (path(0, ".log.deleted"), path(0, ".log.cleaned"), path(0, ".index.cleaned"), path(3, ".index.swap")):
        overwrite(disk, name, b"anything")
    overwrite(disk, path(1, ".index"), b"an index without log")
    kept = f"{FOLDER}/00000000000000000211-0000000002.checkpoint"
    overwrite(disk, kept, b"a snapshot of the metadata")
    again = reopened(log, disk, clean=True, **SMALL)
    assert state(again) == before
    assert disk.exists(kept)
    assert not [name for name in disk.list(FOLDER) if name.endswith((".deleted", ".cleaned", ".swap"))]
    assert not disk.exists(path(1, ".index"))


def test_a_compaction_that_was_decided_is_finished() -> None:
    disk = new_disk()
    log = filled(disk)
    whole = content(log)
    log.close()
    first = disk.size(path(0))
    cleaned = whole[: 88 + 78] + whole[first + 88 : first + 264]  # offsets 0, 1, 4 and 5
    overwrite(disk, path(0, ".log.swap"), cleaned)
    overwrite(disk, path(0, ".index.swap"), b"an index")
    again = reopened(log, disk, clean=True, cleanup_policy=frozenset({"compact"}), **SMALL)
    assert content(again) == cleaned + whole[first + 264 :]
    assert [segment.base for segment in again.segments] == [0, 6]
    assert again.aborted(0, 100) == log.aborted(0, 100)


def test_a_log_that_ends_before_its_start_begins_anew_there() -> None:
    disk = new_disk()
    log = filled(disk)
    log.log_start_offset = 20
    again = reopened(log, disk, clean=False, **SMALL)
    assert (again.log_start_offset, again.leo, again.size) == (20, 20, 0)
    assert again.epochs.entries == []


def test_epochs_from_before_a_truncation_are_not_believed() -> None:
    disk = new_disk()
    log = filled(disk)
    overwrite(disk, f"{FOLDER}/leader-epoch-checkpoint", b"0\n3\n0 0\n1 1\n5 4\n")
    again = reopened(log, disk, clean=False, **SMALL)
    assert again.epochs.entries == [(0, 0), (1, 3), (2, 6)]


def test_a_format_from_before_kafka_0_11_is_refused_and_kept() -> None:
    disk = new_disk()
    disk.make_dirs(FOLDER)
    message = bytes([1, 0]) + bytes(8) + b"\xff\xff\xff\xff" + b"\0\0\0\1v"
    data = bytes(8) + (len(message) + 4).to_bytes(4, "big") + zlib.crc32(message).to_bytes(4, "big") + message
    overwrite(disk, path(0), data + data + data)
    with pytest.raises(Rejected) as refusal:
        open_log(disk)
    assert refusal.value.code is ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT
    assert disk.size(path(0)) == 3 * len(data)


def kafkas(name: str) -> tuple[MemoryDisk, dict[str, bytes]]:
    disk, files = new_disk(), {}
    disk.make_dirs(FOLDER)
    for file in sorted((FIXTURES / name).iterdir()):
        files[f"{FOLDER}/{file.name}"] = file.read_bytes()
        overwrite(disk, f"{FOLDER}/{file.name}", file.read_bytes())
    return disk, files


@pytest.mark.parametrize(("name", "leo"), [("plain", 23), ("txn", 11)])
@pytest.mark.parametrize("clean", [True, False])
def test_what_apache_kafka_wrote_is_opened_and_written_back_byte_for_byte(name: str, leo: int, clean: bool) -> None:
    """After a crash everything but the batches is built anew, and must come out as Kafka built it."""
    disk, files = kafkas(name)
    log = open_log(disk, clean_shutdown=clean, recovery_point=0, index_interval_bytes=200 if name == "plain" else 4096)
    assert log.leo == leo
    log.close()
    ours = {path: data for path, data in disk.files().items() if path.startswith(FOLDER)}
    ours.pop(f"{FOLDER}/leader-epoch-checkpoint", None)
    assert ours == files


def test_a_follower_of_apache_kafka_has_the_same_files() -> None:
    _, files = kafkas("txn")
    disk = new_disk()
    log = open_log(disk)
    log.append_as_follower(files[path(0)])
    log.close()
    ours = {name: data for name, data in disk.files().items() if not name.endswith("-checkpoint")}
    assert ours == files
