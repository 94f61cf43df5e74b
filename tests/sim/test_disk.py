"""The memory disk keeps what is synced, may lose the rest, and breaks on demand."""

import errno
from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.ports import Disk
from tests.sim.disk import MemoryDisk
from tests.sim.inodes import Temper

CRASHES = 300


def disk_with(*folders: str) -> MemoryDisk:
    disk = MemoryDisk()
    for folder in folders:
        disk.make_dirs(folder)
    disk.sync_dir("/")
    return disk


def outcomes(disk: MemoryDisk, look: Callable[[MemoryDisk], object], temper: Temper | None = None) -> set[object]:
    return {look(disk.crashed(Random(seed), temper)) for seed in range(CRASHES)}


def content(path: str) -> Callable[[MemoryDisk], object]:
    return lambda disk: disk.read(path) if disk.exists(path) else None


def write(disk: MemoryDisk, path: str, data: bytes, offset: int = 0) -> None:
    file = disk.open(path, create=True)
    file.pwritev([data], offset)
    file.close()


def durable(disk: MemoryDisk, path: str, data: bytes) -> None:
    file = disk.open(path, create=True)
    file.pwritev([data], 0)
    file.sync()
    file.close()
    disk.sync_dir(path.rpartition("/")[0])


def refused(act: Callable[[], object]) -> int | None:
    """The errno with which `act` fails."""
    with pytest.raises(OSError, match=r".") as failure:
        act()
    return failure.value.errno


def test_it_is_a_disk() -> None:
    disk: Disk = MemoryDisk()
    assert disk.list("/") == []
    session: Disk = MemoryDisk().session()
    assert session.list("/") == []


def test_files_read_what_was_written_and_gaps_are_zeros() -> None:
    disk = disk_with("/d")
    file = disk.open("/d/f", create=True)
    assert file.pwritev([b"ab", memoryview(b"cd"), bytearray(b"e")], 3) == 5
    assert (file.pread(100, 0), file.pread(2, 4), file.pread(9, 8), file.size()) == (b"\0\0\0abcde", b"bc", b"", 8)
    file.truncate(4)
    file.truncate(6)
    assert disk.read("/d/f") == b"\0\0\0a\0\0"
    assert (disk.list("/d"), disk.size("/d/f"), disk.is_dir("/d"), disk.exists("/d/g")) == (["f"], 6, True, False)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda d: d.open("/d/none"), errno.ENOENT),
        (lambda d: d.open("/none/f", create=True), errno.ENOENT),
        (lambda d: d.open("/d", create=True), errno.EISDIR),
        (lambda d: d.read("/d"), errno.EISDIR),
        (lambda d: d.list("/d/f"), errno.ENOTDIR),
        (lambda d: d.list("/none"), errno.ENOENT),
        (lambda d: d.open("/d/f/g", create=True), errno.ENOTDIR),
        (lambda d: d.make_dirs("/d/f"), errno.EEXIST),
        (lambda d: d.remove("/d"), errno.EISDIR),
        (lambda d: d.remove("/none"), errno.ENOENT),
        (lambda d: d.rename("/none", "/d/g"), errno.ENOENT),
        (lambda d: d.rename("/e", "/d"), errno.ENOTEMPTY),
        (lambda d: d.rename("/d/f", "/e"), errno.EISDIR),
        (lambda d: d.rename("/e", "/d/f"), errno.ENOTDIR),
        (lambda d: d.rename("/d", "/d/sub"), errno.EINVAL),
        (lambda d: d.sync_dir("/none"), errno.ENOENT),
        (lambda d: d.open("/d/f").pwritev([b""], -1), errno.EINVAL),
    ],
)
def test_mistakes_get_the_errors_of_a_real_disk(act: Callable[[MemoryDisk], object], code: int) -> None:
    disk = disk_with("/d", "/e")
    write(disk, "/d/f", b"x")
    before = disk.files()
    assert (refused(lambda: act(disk)), disk.files()) == (code, before)


def test_a_folder_is_renamed_with_all_beneath_it() -> None:
    disk = disk_with("/d/sub")
    write(disk, "/d/sub/f", b"x")
    disk.rename("/d", "/e")
    assert (disk.files(), disk.list("/"), disk.is_dir("/e/sub")) == ({"/e/sub/f": b"x"}, ["e"], True)
    disk.remove_tree("/e")
    assert (disk.files(), disk.list("/")) == ({}, [])


def test_an_open_file_outlives_its_name() -> None:
    disk = disk_with("/d")
    file = disk.open("/d/f", create=True)
    file.pwritev([b"x"], 0)
    disk.remove("/d/f")
    write(disk, "/d/f", b"new")
    assert (file.pread(9, 0), disk.read("/d/f")) == (b"x", b"new")


def test_synced_bytes_survive_each_crash_and_unsynced_ones_are_kept_torn_or_lost() -> None:
    disk = disk_with("/d")
    durable(disk, "/d/f", b"safe")
    write(disk, "/d/f", b"gone", offset=4)
    seen = outcomes(disk, content("/d/f"))
    assert seen == {b"safe", b"safeg", b"safego", b"safegon", b"safegone"}
    assert disk.read("/d/f") == b"safegone"  # the copy crashed, not this one
    assert outcomes(disk, content("/d/f"), Temper.KEEP) == {b"safegone"}
    assert outcomes(disk, content("/d/f"), Temper.LOSE) == {b"safe"}


def test_a_later_write_may_be_kept_without_an_earlier_one() -> None:
    disk = disk_with("/d")
    durable(disk, "/d/f", b"")
    write(disk, "/d/f", b"a")
    write(disk, "/d/f", b"b", offset=1)
    assert outcomes(disk, content("/d/f"), Temper.SCATTER) == {b"", b"a", b"ab", b"\0b"}
    assert outcomes(disk, content("/d/f"), Temper.PREFIX) == {b"", b"a", b"ab"}


def test_a_large_write_is_torn_between_pages_too() -> None:
    disk = disk_with("/d")
    durable(disk, "/d/f", b"")
    write(disk, "/d/f", b"x" * 3 * 4096)
    assert b"\0" * 4096 + b"x" * 4096 in outcomes(disk, content("/d/f"))


def test_a_truncation_may_be_lost_until_it_is_synced() -> None:
    disk = disk_with("/d")
    durable(disk, "/d/f", b"abc")
    file = disk.open("/d/f")
    file.truncate(1)
    assert outcomes(disk, content("/d/f")) == {b"a", b"abc"}
    file.sync()
    assert outcomes(disk, content("/d/f")) == {b"a"}


def test_a_new_name_needs_a_sync_of_its_folder() -> None:
    disk = disk_with("/d")
    file = disk.open("/d/f", create=True)
    file.pwritev([b"x"], 0)
    file.sync()
    assert outcomes(disk, content("/d/f")) == {None, b"x"}
    disk.sync_dir("/d")
    assert outcomes(disk, content("/d/f")) == {b"x"}


def test_a_rename_is_whole_or_not_at_all() -> None:
    disk = disk_with("/d")
    durable(disk, "/d/new", b"new")
    durable(disk, "/d/f", b"old")
    disk.rename("/d/new", "/d/f")
    assert outcomes(disk, lambda d: tuple(d.files().items())) == {
        (("/d/f", b"new"),),
        (("/d/f", b"old"), ("/d/new", b"new")),
    }
    disk.sync_dir("/d")
    assert outcomes(disk, content("/d/f")) == {b"new"}


def test_a_removal_comes_undone_until_the_folder_is_synced() -> None:
    disk = disk_with("/d")
    durable(disk, "/d/f", b"x")
    disk.remove("/d/f")
    assert outcomes(disk, content("/d/f")) == {None, b"x"}
    disk.sync_dir("/d")
    assert outcomes(disk, content("/d/f")) == {None}


def test_what_needs_a_lost_change_is_lost_with_it() -> None:
    """A file cannot survive the folder it is in, nor a rename the file it renames."""
    disk = MemoryDisk()
    disk.make_dirs("/d/sub")
    write(disk, "/d/sub/f", b"x")
    disk.rename("/d", "/e")
    for seed in range(CRASHES):
        after = disk.crashed(Random(seed))
        for path in after.files():
            assert path in ("/d/sub/f", "/e/sub/f")
            assert after.is_dir(path.rpartition("/")[0])


def test_syncing_a_folder_takes_its_ancestors_along() -> None:
    disk = MemoryDisk()
    disk.make_dirs("/d/sub")
    durable(disk, "/d/sub/f", b"x")
    assert outcomes(disk, content("/d/sub/f")) == {b"x"}


def test_replace_is_all_or_nothing_wherever_the_power_goes() -> None:
    for stop in range(20):
        disk = disk_with("/d")
        durable(disk, "/d/f", b"old")
        steps = iter(range(stop))

        def hook(operation: str, path: str, steps: Iterator[int] = steps) -> None:
            if next(steps, None) is None:
                raise KeyboardInterrupt

        disk.before = hook
        try:
            disk.replace("/d/f", b"new")
        except KeyboardInterrupt:
            assert outcomes(disk, content("/d/f")) <= {b"old", b"new"}
        else:
            assert outcomes(disk, content("/d/f")) == {b"new"}
            return
    pytest.fail("replace never came to its end")


def test_after_a_crash_files_locks_and_sessions_are_dead() -> None:
    disk = disk_with("/d")
    session = disk.session()
    file = session.open("/d/f", create=True)
    lock = session.lock("/d/.lock")
    with pytest.raises(BlockingIOError):
        disk.lock("/d/.lock")
    assert disk.open_files == 1
    disk.crash(Random(1), Temper.KEEP)
    for act in (file.size, file.sync, lambda: session.exists("/d"), lambda: file.pwritev([b"x"], 0)):
        assert refused(act) == errno.EBADF
    file.close()
    again = disk.lock("/d/.lock")
    lock.release()  # the dead one's
    with pytest.raises(BlockingIOError):
        disk.lock("/d/.lock")
    again.release()
    disk.lock("/d/.lock")
    assert (disk.open_files, disk.exists("/d/f")) == (0, True)


def test_a_failing_write_lands_in_part_and_a_failing_sync_loses_for_good() -> None:
    disk = disk_with("/d")
    durable(disk, "/d/f", b"")
    file = disk.open("/d/f")
    disk.fail(errno.EIO, "write", "/d/*", times=1)
    assert refused(lambda: file.pwritev([b"abc"], 0)) == errno.EIO
    assert b"abc".startswith(file.pread(3, 0))
    file.truncate(0)
    file.pwritev([b"abc"], 0)
    disk.fail(errno.EIO, "sync", times=1)
    assert refused(file.sync) == errno.EIO
    assert file.pread(3, 0) == b"abc"
    file.sync()
    assert outcomes(disk, content("/d/f")) == {b""}


def test_faults_hit_what_they_name_until_healed() -> None:
    disk = disk_with("/d", "/e")
    disk.fail(errno.EROFS, "*", "/d*")
    write(disk, "/e/f", b"x")
    for act in (lambda: disk.open("/d/f", create=True), lambda: disk.list("/d"), lambda: disk.sync_dir("/d")):
        assert refused(act) == errno.EROFS
    disk.heal()
    write(disk, "/d/f", b"x")


def test_a_full_volume_takes_what_fits() -> None:
    disk = disk_with("/d", "/e")
    disk.volume("/d", 10)
    write(disk, "/d/f", b"12345")
    file = disk.open("/d/g", create=True)
    assert refused(lambda: file.pwritev([b"1234567"], 0)) == errno.ENOSPC
    assert file.pread(9, 0) == b"12345"
    file.pwritev([b"54321"], 0)  # in place: needs no room
    assert (disk.usage("/d/f"), disk.usage("/e")[1] > 1 << 40) == ((10, 0), True)
    write(disk, "/e/f", b"x" * 100)
    disk.remove("/d/f")
    assert disk.usage("/d") == (10, 5)
    assert refused(lambda: file.truncate(11)) == errno.ENOSPC


def test_modified_is_when_the_last_change_was_seen() -> None:
    now = [5]
    disk = MemoryDisk(timestamp_ms=lambda: now[0])
    write(disk, "/f", b"x")
    now[0] = 7
    disk.sync_dir("/")
    assert disk.modified_ms("/f") == 5
    write(disk, "/f", b"y")
    assert disk.modified_ms("/f") == 7


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "sync", "cut", "rename", "remove", "folder"]), st.integers(0, 3), st.integers(0, 40)
    )
)


@given(STEPS, st.integers(0, 1 << 30))
@settings(max_examples=300, deadline=None)
def test_one_seed_is_one_crash_and_what_was_synced_is_in_it(steps: list[tuple[str, int, int]], seed: int) -> None:
    disk = disk_with("/d")
    for step, file, size in steps:
        path = f"/d/{file}"
        if step == "folder":
            disk.sync_dir("/d")
        elif step == "write":
            write(disk, path, bytes([65 + size]) * size, offset=size // 2)
        elif not disk.exists(path):
            continue
        elif step == "sync":
            disk.open(path).sync()
        elif step == "cut":
            disk.open(path).truncate(size)
        elif step == "rename":
            disk.rename(path, f"/d/{size % 4}")
        else:
            disk.remove(path)
    assert disk.crashed(Random(seed)).files() == disk.crashed(Random(seed)).files()
    seen = disk.files()
    for path in seen:
        disk.open(path).sync()
    disk.sync_dir("/d")
    assert disk.crashed(Random(seed)).files() == seen
