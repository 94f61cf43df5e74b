"""Copies of logs in other directories: made, found again, given up, swapped in; a crash at any point loses nothing."""

from random import Random

import pytest

from server.log.dirs import LogDirs, LogSize
from server.log.log import Log, StorageFailed
from tests.sim.disk import MemoryDisk
from tests.sim.inodes import Temper
from tests.support.logs import NOW, content, records
from tests.unit.server.log.test_dirs import EIO, ID_ONE, ONE, SETTINGS, TOPIC, TWO, Node

COUNT = 5


def moving(node: Node) -> tuple[LogDirs, Log, Log]:
    """A log in the first directory, durable, and its whole copy in the second, which is not."""
    dirs = node.started()
    log = dirs.create_log("t", 0, TOPIC, SETTINGS, ID_ONE)
    for _ in range(COUNT):
        log.append(records(2), 0, NOW)
    log.advance_log_start(3)
    log.hw = 8
    log.flush()
    dirs.checkpoint()
    copy = dirs.futures.create("t", 0, TOPIC, SETTINGS, dirs.dirs[1])
    copied(log, copy)
    return dirs, log, copy


def copied(log: Log, copy: Log) -> None:
    copy.truncate_fully_and_start_at(log.log_start_offset, NOW)
    copy.append_as_follower(log.read(log.log_start_offset, 1 << 20, log.leo).data, NOW)
    copy.advance_log_start(log.log_start_offset)


def whole(log: Log | None) -> None:
    assert log is not None
    assert (log.log_start_offset, log.leo, log.topic_id, log.failed) == (3, 2 * COUNT, TOPIC, False)
    _, original, _ = moving(Node())
    assert content(log) == content(original)


def names(disk: MemoryDisk) -> list[str]:
    """Folders of the partition, with what is unique cut out."""
    found = [f"{path}/{name}" for path in (ONE, TWO) for name in disk.list(path) if name.startswith("t-0")]
    return [f"{name.split('.')[0]}{name[name.rfind('-') :]}" if "." in name else name for name in found]


def test_a_copy_takes_the_place_of_its_log() -> None:
    node = Node()
    dirs, log, copy = moving(node)
    assert names(node.disk) == ["/one/t-0", "/two/t-0-future"]
    assert copy.path.endswith("-future")
    assert len(copy.path.partition(".")[2].removesuffix("-future")) == 32
    swapped = dirs.futures.swap("t", 0)
    assert (swapped.path, swapped.hw, swapped is dirs.get("t", 0)) == ("/two/t-0", 8, True)
    whole(swapped)
    assert log.failed
    assert copy.failed
    assert (list(dirs), list(dirs.futures)) == ([swapped], [])
    assert names(node.disk) == ["/one/t-0-delete", "/two/t-0"]
    swapped.append(records(1), 1, NOW)
    node.clock.ms += SETTINGS.file_delete_delay_ms
    dirs.tick()
    assert names(node.disk) == ["/two/t-0"]


def test_a_copy_is_described_with_its_lag() -> None:
    dirs, log, copy = moving(Node())
    log.append(records(3), 0, NOW)
    assert [each.logs for each in dirs.describe()] == [
        (LogSize("t", 0, log.size),),
        (LogSize("t", 0, copy.size, is_future=True, lag=3),),
    ]


def test_a_copy_is_found_again_where_it_ended() -> None:
    node = Node()
    dirs, _, _ = moving(node)
    dirs.checkpoint()
    node.killed()
    dirs = node.started()
    copy = dirs.futures.get("t", 0)
    assert copy is not None
    assert (copy.log_start_offset, copy.leo) == (3, 2 * COUNT)
    dirs.close()
    dirs = node.started()
    assert dirs.futures.get("t", 0) is not None
    whole(dirs.futures.swap("t", 0))


@pytest.mark.parametrize("end", ["discard", "delete"])
def test_a_copy_that_is_given_up_leaves_nothing(end: str) -> None:
    node = Node()
    dirs, log, copy = moving(node)
    if end == "discard":
        dirs.futures.discard("t", 0)
        dirs.futures.discard("t", 0)
    else:
        dirs.delete_log("t", 0)
    dirs.tick()
    assert (dirs.futures.get("t", 0), copy.failed) == (None, True)
    node.clock.ms += SETTINGS.file_delete_delay_ms
    dirs.tick()
    assert names(node.disk) == (["/one/t-0"] if end == "discard" else [])
    assert log.failed == (end == "delete")


def test_there_is_one_copy_and_none_beside_its_own_log() -> None:
    """As a crash between giving up one and beginning another might leave, or who copied folders by hand."""
    node = Node(ONE, TWO, "/three")
    dirs, _, copy = moving(node)
    dirs.close()
    name = copy.path.rpartition("/")[2]
    for path in (f"{ONE}/{name}", f"{TWO}/{name.replace('0-future', '1-future')}", f"/three/{name}"):
        node.disk.make_dirs(path)
    dirs = node.started()
    dirs.tick()
    assert [each for each in (ONE, TWO, "/three") for name in node.disk.list(each) if "-future" in name] == [TWO]
    assert len(list(dirs.futures)) == 1


def test_wherever_a_swap_is_cut_short_the_log_is_whole_afterwards() -> None:
    """A state at each change to the disk, and several ways to lose what was not synced."""
    node = Node()
    dirs, _, _ = moving(node)
    images: list[MemoryDisk] = []

    def keep(operation: str, path: str) -> None:
        node.disk.before = lambda operation, path: None
        for temper in Temper:
            images.extend(node.disk.crashed(Random(seed), temper) for seed in range(4))
        node.disk.before = keep

    node.disk.before = keep
    dirs.futures.swap("t", 0)
    dirs.checkpoint()
    keep("", "")
    adopted = stayed = 0
    for image in images:
        image.before = lambda operation, path: None
        image.locks.clear()
        after = Node()
        after.disk = image
        dirs = after.started()
        log = dirs.get("t", 0)
        if log is None:
            log = dirs.futures.adopt("t", 0)
            adopted += 1
        stayed += log.path == "/one/t-0"
        whole(log)
        copies = list(dirs.futures)
        assert len(copies) == (log.path == "/one/t-0")
        if copies:  # the move goes on
            copied(log, copies[0])
            whole(dirs.futures.swap("t", 0))
        dirs.tick()
        dirs.close()
        dirs = after.started()
        whole(dirs.get("t", 0))
    assert adopted > 0
    assert stayed > 0
    assert len(images) > stayed + adopted


@pytest.mark.parametrize(
    ("operation", "pattern", "offline", "path"),
    [
        ("rename", "/one/t-0", ONE, "/one/t-0"),
        ("rename", "/two/*-future", TWO, "/one/t-0"),
        ("sync_dir", "/two", TWO, "/one/t-0"),
        ("sync", "/two/*", TWO, "/one/t-0"),
        ("sync_dir", "/one", ONE, "/one/t-0"),
    ],
)
def test_a_disk_that_fails_in_a_swap_leaves_the_log_where_it_was(
    operation: str, pattern: str, offline: str, path: str
) -> None:
    node = Node()
    dirs, _, _ = moving(node)
    node.disk.fail(EIO, operation, pattern)
    with pytest.raises(StorageFailed):
        dirs.futures.swap("t", 0)
    log = dirs.get("t", 0)
    assert log is not None
    assert (node.offline, log.path, log.failed) == ([offline], path, offline == ONE)
    if offline == TWO:
        whole(log)
        log.append(records(1), 1, NOW)
        assert dirs.futures.get("t", 0) is None
