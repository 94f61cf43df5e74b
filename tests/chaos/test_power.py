"""What is left of a folder when the power goes: what the journal says is synced, and by chance a little more."""

from pathlib import Path
from random import Random

import pytest

from tests.chaos.power import Journal, NotingDisk, cut


@pytest.fixture
def disk(tmp_path: Path) -> NotingDisk:
    (tmp_path / "data").mkdir()
    return NotingDisk(Journal(str(tmp_path / "journal")), str(tmp_path / "data"))


def left(tmp_path: Path, seed: int = 0) -> dict[str, bytes]:
    cut(tmp_path / "journal", tmp_path / "data", Random(seed))
    return {path.name: path.read_bytes() for path in sorted((tmp_path / "data").iterdir())}


def write(disk: NotingDisk, path: Path, data: bytes, *, synced: int, name_synced: bool = True) -> None:
    file = disk.open(str(path), create=True)
    file.pwritev([data[:synced]], 0)
    if synced:
        file.sync()
    file.pwritev([data[synced:]], synced)
    file.close()
    if name_synced:
        disk.sync_dir(str(path.parent))


@pytest.mark.parametrize("seed", range(20))
def test_what_was_synced_stays_and_of_the_rest_a_beginning(tmp_path: Path, disk: NotingDisk, seed: int) -> None:
    write(disk, tmp_path / "data" / "log", b"abcdef", synced=3)
    kept = left(tmp_path, seed)["log"]
    assert b"abcdef".startswith(kept)
    assert len(kept) >= 3


def test_some_power_cut_takes_all_that_was_not_synced(tmp_path: Path, disk: NotingDisk) -> None:
    found = set()
    for seed in range(10):
        write(disk, tmp_path / "data" / f"log{seed}", b"abcdef", synced=0)
        found.add(len(left(tmp_path, seed)[f"log{seed}"]))
    assert 0 in found


def test_a_file_is_as_long_as_it_was_cut_to_even_if_more_was_synced(tmp_path: Path, disk: NotingDisk) -> None:
    write(disk, tmp_path / "data" / "log", b"abcdef", synced=6)
    file = disk.open(str(tmp_path / "data" / "log"))
    file.truncate(2)
    file.pwritev([b"xyz"], 2)
    kept = left(tmp_path)["log"]
    assert b"abxyz".startswith(kept)
    assert len(kept) >= 2


def test_what_was_replaced_or_is_older_than_the_journal_is_whole(tmp_path: Path, disk: NotingDisk) -> None:
    (tmp_path / "data" / "old").write_bytes(b"old")
    disk.replace(str(tmp_path / "data" / "new"), b"new")
    assert left(tmp_path) == {"new": b"new", "old": b"old"}


def test_a_file_whose_name_was_not_synced_may_be_gone(tmp_path: Path, disk: NotingDisk) -> None:
    gone = []
    for seed in range(20):
        write(disk, tmp_path / "data" / f"log{seed}", b"abc", synced=3, name_synced=False)
        gone.append(f"log{seed}" not in left(tmp_path, seed))
    assert set(gone) == {True, False}


def test_a_file_that_takes_the_place_of_another_leaves_one_of_them(tmp_path: Path, disk: NotingDisk) -> None:
    path = tmp_path / "data" / "epochs"
    for seed in range(20):
        write(disk, path, b"old", synced=3)
        write(disk, path.with_suffix(".new"), b"new", synced=3, name_synced=False)
        disk.rename(str(path.with_suffix(".new")), str(path))
        assert left(tmp_path, seed) == {"epochs": b"new"}


def test_after_a_power_cut_everything_that_is_left_is_durable(tmp_path: Path, disk: NotingDisk) -> None:
    write(disk, tmp_path / "data" / "log", b"abcdef", synced=0)
    first = left(tmp_path)
    assert left(tmp_path, 1) == first


def test_a_volume_is_synced_as_a_whole(tmp_path: Path, disk: NotingDisk) -> None:
    write(disk, tmp_path / "data" / "log", b"abcdef", synced=0, name_synced=False)
    (tmp_path / "data" / "other").mkdir()
    disk.sync_volume(str(tmp_path / "data" / "other"))
    (tmp_path / "data" / "other").rmdir()
    assert left(tmp_path) == {"log": b"abcdef"}
