"""The real disk, in a real folder."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from server.log import disk as real
from server.log.disk import OsDisk
from server.ports import Buffer, Disk
from tests.support.logs import NOW, content, idempotent, open_log, records, reopened


def test_it_is_a_disk() -> None:
    disk: Disk = OsDisk()
    assert disk.is_dir("/")


def test_a_file_is_written_read_cut_and_synced(tmp_path: Path) -> None:
    disk, path = OsDisk(), f"{tmp_path}/f"
    with pytest.raises(FileNotFoundError):
        disk.open(path)
    file = disk.open(path, create=True)
    assert file.pwritev([b"hello ", memoryview(b"world")], 0) == 11
    assert file.pread(100, 6) == b"world"
    assert file.pread(2, 0) == b"he"
    assert file.pread(2, 50) == b""
    file.truncate(5)
    file.sync()
    assert (file.size(), disk.size(path), disk.read(path)) == (5, 5, b"hello")
    file.close()
    file.close()


def test_more_buffers_than_one_call_takes_are_written(tmp_path: Path) -> None:
    buffers = [bytes([n % 256]) * (n % 7) for n in range(5000)]
    file = OsDisk().open(f"{tmp_path}/f", create=True)
    assert file.pwritev(buffers, 3) == sum(map(len, buffers))
    assert file.pread(1 << 20, 3) == b"".join(buffers)


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwritev

    def short(fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        return whole(fd, [memoryview(buffers[0])[:3]], offset)

    monkeypatch.setattr(os, "pwritev", short)
    file = OsDisk().open(f"{tmp_path}/f", create=True)
    assert file.pwritev([b"abcdefgh", b"", b"ij", b"klmno"], 0) == 15
    assert file.pread(100, 0) == b"abcdefghijklmno"


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from server.log.disk import OsDisk\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: OsDisk().open(sys.argv[1], create=True).pwritev([bytes(600), bytes(600)], 0)\n"
        "except OSError as error: print(error.errno)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, f"{tmp_path}/f"], capture_output=True, text=True, check=True)
    assert ran.stdout == "27\n"  # EFBIG


def test_replace_leaves_the_new_content_and_nothing_else(tmp_path: Path) -> None:
    disk = OsDisk()
    disk.replace(f"{tmp_path}/f", b"one")
    disk.replace(f"{tmp_path}/f", b"two")
    assert disk.read(f"{tmp_path}/f") == b"two"
    assert disk.list(str(tmp_path)) == ["f"]


def test_folders_are_made_listed_renamed_and_removed(tmp_path: Path) -> None:
    disk = OsDisk()
    disk.make_dirs(f"{tmp_path}/a/b")
    disk.make_dirs(f"{tmp_path}/a/b")
    disk.replace(f"{tmp_path}/a/b/f", b"x")
    disk.rename(f"{tmp_path}/a/b", f"{tmp_path}/a/c")
    disk.sync_dir(f"{tmp_path}/a")
    disk.sync_volume(f"{tmp_path}")
    assert (disk.exists(f"{tmp_path}/a/b"), disk.is_dir(f"{tmp_path}/a/c")) == (False, True)
    assert disk.modified_ms(f"{tmp_path}/a/c/f") > 1_600_000_000_000
    disk.remove(f"{tmp_path}/a/c/f")
    disk.remove_tree(f"{tmp_path}/a")
    assert disk.list(str(tmp_path)) == []
    total, usable = disk.usage(str(tmp_path))
    assert total >= usable > 0


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    path = f"{tmp_path}/.lock"
    lock = OsDisk().lock(path)
    with pytest.raises(BlockingIOError):
        OsDisk().lock(path)
    script = "import sys\nfrom server.log.disk import OsDisk\nOsDisk().lock(sys.argv[1])"
    other = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True)
    assert "BlockingIOError" in other.stderr
    lock.release()
    lock.release()
    OsDisk().lock(path).release()


def test_a_lock_keeps_out_who_locks_as_java_does(tmp_path: Path) -> None:
    """Apache Kafka takes a record lock (fcntl) on the same file."""
    path = f"{tmp_path}/.lock"
    lock = OsDisk().lock(path)
    script = "import fcntl, sys\nfcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    other = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True)
    lock.release()
    assert "BlockingIOError" in other.stderr


def test_what_is_left_behind_a_short_write() -> None:
    assert real._behind([b"ab", b"cd", b"ef"], 3) == [b"d", b"ef"]
    assert real._behind([b"ab", b"cd"], 2) == [b"cd"]
    assert real._behind([b"ab"], 2) == []


@pytest.mark.parametrize("clean", [True, False])
def test_a_log_lives_on_a_real_disk(tmp_path: Path, clean: bool) -> None:
    disk = OsDisk()
    log = open_log(disk, f"{tmp_path}/t-0", segment_bytes=500, index_interval_bytes=0)
    for n in range(20):
        log.append(idempotent(7, n), n // 4, NOW)
        log.append(records(2), n // 4, NOW)
    whole = content(log)
    log.truncate_to(50)
    log.flush()
    again = reopened(log, disk, clean=clean, segment_bytes=500)
    assert again.leo == 49
    assert whole.startswith(content(again))
    again.close()
