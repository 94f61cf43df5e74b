"""All log directories of a node: whose they are, what is in them, what happens when one fails."""

import zlib
from collections.abc import Callable
from uuid import UUID

import pytest

from server.log.dirs import LogDirs, LogSize
from server.log.log import StorageFailed
from server.log.log_dir import LogDir
from server.log.meta_properties import MetaProperties, NotFormatted, UnusableDirectory, format, parse
from server.model.errors import ErrorCode, Rejected
from server.model.ids import METADATA_TOPIC, METADATA_TOPIC_ID, DirectoryId, TopicId
from server.model.log_settings import LogSettings
from tests.sim.disk import MemoryDisk
from tests.support.logs import NOW, CountingRng, FixedClock, content, idempotent, records

EIO = 5
ONE, TWO = "/one", "/two"
ID_ONE, ID_TWO = DirectoryId(UUID(int=1 << 80)), DirectoryId(UUID(int=1 << 81))
TOPIC = TopicId(UUID(int=1 << 90))
SETTINGS = LogSettings()


def formatted(disk: MemoryDisk, path: str, directory_id: DirectoryId | None, cluster: str = "c", node: int = 1) -> None:
    disk.make_dirs(path)
    disk.replace(f"{path}/meta.properties", format(MetaProperties(cluster, node, directory_id), NOW).encode())


class Node:
    """A node that may stop, be killed, and start again."""

    def __init__(self, *paths: str) -> None:
        self.disk, self.clock = MemoryDisk(lambda: NOW), FixedClock()
        self.paths = paths or (ONE, TWO)
        self.offline: list[str] = []
        for path, directory_id in zip(self.paths, (ID_ONE, ID_TWO), strict=False):
            formatted(self.disk, path, directory_id)

    def made(self, metadata_dir: str | None = None) -> LogDirs:
        def went_offline(directory: LogDir) -> None:
            self.offline.append(directory.path)

        return LogDirs(
            self.disk, self.clock, CountingRng(), self.paths, metadata_dir=metadata_dir, on_offline=went_offline
        )

    def started(self) -> LogDirs:
        dirs = self.made()
        assert dirs.claim(1) == "c"
        dirs.load(lambda topic: SETTINGS)
        return dirs

    def killed(self) -> None:
        self.disk.locks.clear()


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(UnusableDirectory) as refused:
        act()
    assert "\n" not in str(refused.value)
    return str(refused.value)


# -- whose they are


def test_a_directory_that_is_not_formatted_says_how_to_format_it() -> None:
    node = Node()
    node.disk.remove(f"{ONE}/meta.properties")
    with pytest.raises(NotFormatted, match=r"Log directory /one is not formatted\. Run `kcli storage format"):
        node.made().claim(1)
    assert not node.disk.locks
    with pytest.raises(NotFormatted, match="/none does not exist"):
        Node("/none-yet").made("/none").claim(1)


def test_a_directory_of_another_cluster_or_node_is_refused() -> None:
    node = Node()
    formatted(node.disk, TWO, ID_TWO, cluster="other")
    assert refusal(lambda: node.made().claim(1)) == "Log directory /two was formatted for cluster other, not for c."
    formatted(node.disk, TWO, ID_TWO, node=2)
    assert refusal(lambda: node.made().claim(1)) == (
        "Log directory /two was formatted for node 2, and this node's id is 1."
    )
    assert "for cluster c, not for mine" in refusal(lambda: node.made().claim(1, "mine"))
    assert not node.disk.locks


def test_a_copied_directory_is_refused() -> None:
    node = Node()
    formatted(node.disk, TWO, ID_ONE)
    assert "/one and /two have the same directory.id" in refusal(lambda: node.made().claim(1))


def test_a_directory_in_use_is_refused() -> None:
    node = Node()
    first = node.started()
    assert refusal(lambda: node.made().claim(1)) == ("Log directory /one is in use: another process holds /one/.lock.")
    first.close()
    node.started()


def test_a_directory_of_zookeepers_time_is_refused() -> None:
    node = Node()
    node.disk.replace(f"{ONE}/meta.properties", b"version=0\nbroker.id=1\n")
    assert "ZooKeeper" in refusal(lambda: node.made().claim(1))


def test_a_damaged_identity_is_not_taken_for_an_old_one() -> None:
    """Formatting would orphan what the directory holds, so it is not what the words advise."""
    node = Node()
    node.disk.replace(f"{ONE}/meta.properties", b"")
    assert refusal(lambda: node.made().claim(1)) == (
        "/one/meta.properties is damaged: it names neither a version nor a node. Restore it from a copy."
    )


def test_a_file_is_no_directory() -> None:
    node = Node()
    node.disk.replace("/file", b"")
    assert refusal(lambda: node.made("/file").claim(1)) == "Log directory /file is not a directory."


def test_a_directory_that_was_added_is_given_the_nodes_identity() -> None:
    node = Node()
    node.disk.remove_tree(TWO)
    formatted(node.disk, ONE, None)
    dirs = node.started()
    metas = [parse(node.disk.read(f"{path}/meta.properties").decode()) for path in (ONE, TWO)]
    assert [(meta.cluster_id, meta.node_id) for meta in metas] == [("c", 1), ("c", 1)]
    assert [meta.directory_id for meta in metas] == [each.directory_id for each in dirs.dirs]
    assert None not in {meta.directory_id for meta in metas}
    assert node.disk.locks == {f"{ONE}/.lock", f"{TWO}/.lock"}


def test_a_directory_that_cannot_be_read_goes_offline_unless_it_holds_the_metadata() -> None:
    node = Node()
    node.disk.fail(EIO, "read", "/two/*")
    dirs = node.started()
    assert node.offline == [TWO]
    assert [each.error is None for each in dirs.describe()] == [True, False]
    dirs.close()
    assert "Cannot use log directory /two" in refusal(lambda: node.made(TWO).claim(1))


# -- logs


def test_logs_are_spread_over_the_directories() -> None:
    dirs = Node().started()
    for n in range(4):
        dirs.create_log("t", n, TOPIC, SETTINGS)
    assert dirs.create_log("t", 4, TOPIC, SETTINGS, ID_TWO).path == "/two/t-4"
    assert [len(each.logs) for each in dirs.describe()] == [2, 3]
    log = dirs.get("t", 4)
    assert log is not None
    assert dirs.dir_of(log).directory_id == ID_TWO
    assert dirs.get("t", 5) is None


@pytest.mark.parametrize("clean", [True, False])
def test_everything_is_there_after_a_restart(clean: bool) -> None:
    node = Node()
    dirs = node.started()
    for n in range(3):
        log = dirs.create_log("t", n, TOPIC, SETTINGS)
        log.append(idempotent(7, 0, n + 2), 5, NOW)
        log.hw = n + 1
        log.advance_log_start(1)
    before = [(log.path, log.leo, log.hw, log.log_start_offset, log.topic_id, content(log)) for log in dirs]
    if clean:
        dirs.close(11)
        assert node.disk.read("/one/.kafka_cleanshutdown") == b'{"version":0,"brokerEpoch":11}'
    else:
        dirs.checkpoint()
        node.killed()
    dirs = node.started()
    assert not node.disk.exists("/one/.kafka_cleanshutdown")
    assert sorted((x.path, x.leo, x.hw, x.log_start_offset, x.topic_id, content(x)) for x in dirs) == sorted(before)
    assert [x.recovery_point for x in dirs] == ([x.leo for x in dirs] if clean else [0, 0, 0])


def test_checkpoints_are_written_in_kafkas_words_every_few_seconds() -> None:
    node = Node()
    dirs = node.started()
    log = dirs.create_log("first", 0, TOPIC, SETTINGS)
    log.append(records(3), 0, NOW)
    log.flush()
    log.hw = 2
    node.clock.ms = 4_999
    dirs.tick()
    assert b"first" not in node.disk.read("/one/recovery-point-offset-checkpoint")
    node.clock.ms = 5_000
    dirs.tick()
    assert node.disk.read("/one/recovery-point-offset-checkpoint") == b"0\n1\nfirst 0 3\n"
    assert node.disk.read("/one/replication-offset-checkpoint") == b"0\n1\nfirst 0 2\n"
    assert node.disk.read("/one/log-start-offset-checkpoint") == b"0\n0\n"


def test_retention_waits_for_its_check() -> None:
    node = Node()
    dirs = node.started()
    log = dirs.create_log("t", 0, TOPIC, LogSettings(retention_ms=0, segment_bytes=90))
    for _ in range(3):
        log.append(records(1), 0, NOW)
    log.hw = 3
    node.clock.ms = 299_999
    dirs.tick()
    assert log.log_start_offset == 0
    node.clock.ms = 300_000
    dirs.tick()
    assert log.log_start_offset == 3


def test_a_deleted_log_has_another_folder_until_its_time_and_its_name_is_free() -> None:
    node = Node(ONE)
    dirs = node.started()
    log = dirs.create_log("t", 0, TOPIC, SETTINGS)
    log.append(records(3), 0, NOW)
    log.advance_log_start(2)
    dirs.delete_log("t", 0)
    dirs.delete_log("t", 0)
    with pytest.raises(StorageFailed):
        log.append(records(1), 0, NOW)
    [doomed] = [name for name in node.disk.list(ONE) if name.endswith("-delete")]
    assert doomed.startswith("t-0.")
    other = dirs.create_log("t", 0, TopicId(UUID(int=5000)), SETTINGS)
    assert (other.leo, other.log_start_offset, dirs.get("t", 0)) == (0, 0, other)
    # What the checkpoints say of the old log must not hold for the new one after a crash.
    assert b"t 0" not in node.disk.read(f"{ONE}/log-start-offset-checkpoint")
    node.clock.ms = 60_000
    dirs.tick()
    assert not node.disk.exists(f"{ONE}/{doomed}")


def test_a_folder_that_a_crash_kept_from_deletion_is_removed() -> None:
    node = Node(ONE)
    dirs = node.started()
    dirs.create_log("t", 0, TOPIC, SETTINGS)
    dirs.delete_log("t", 0)
    node.killed()
    dirs = node.started()
    dirs.tick()
    assert not [name for name in node.disk.list(ONE) if name.endswith("-delete")]
    assert list(dirs) == []


def test_what_is_no_partition_is_left_alone() -> None:
    node = Node(ONE)
    for name in ("lost+found", "t-0.abc-future", "t-1.abc-stray", f"{METADATA_TOPIC}-0"):
        node.disk.make_dirs(f"{ONE}/{name}")
    node.disk.replace(f"{ONE}/bootstrap-0", b"a file")
    dirs = node.started()
    assert list(dirs) == []
    assert {"lost+found", "t-0.abc-future", "t-1.abc-stray"} <= set(node.disk.list(ONE))


def test_a_folder_of_another_topic_is_not_taken_over() -> None:
    node = Node(ONE)
    dirs = node.started()
    dirs.create_log("t", 0, TOPIC, SETTINGS).append(records(1), 0, NOW)
    dirs.close()
    dirs = node.made()
    dirs.claim(1)
    with pytest.raises(Rejected) as refused:
        dirs.create_log("t", 0, TopicId(UUID(int=5000)), SETTINGS)
    assert refused.value.code is ErrorCode.INCONSISTENT_TOPIC_ID
    assert dirs.get("t", 0) is None


def test_a_partition_in_two_directories_is_refused() -> None:
    node = Node()
    node.disk.make_dirs("/one/t-0")
    node.disk.make_dirs("/two/t-0")
    dirs = node.made()
    dirs.claim(1)
    assert refusal(lambda: dirs.load(lambda topic: SETTINGS)) == "Partition t-0 is in /one/t-0 and in /two/t-0."


def test_the_metadata_log_is_not_among_the_others() -> None:
    node = Node()
    dirs = node.made(TWO)
    dirs.claim(1)
    metadata = dirs.open_metadata_log(SETTINGS)
    dirs.load(lambda topic: SETTINGS)
    assert (metadata.path, metadata.topic_id, list(dirs)) == (f"/two/{METADATA_TOPIC}-0", METADATA_TOPIC_ID, [])
    metadata.append(records(2), 1, NOW)
    dirs.close()
    dirs = node.made(TWO)
    dirs.claim(1)
    assert dirs.open_metadata_log(SETTINGS).leo == 2


def test_the_metadata_may_have_a_directory_of_its_own() -> None:
    node = Node(ONE)
    formatted(node.disk, TWO, ID_TWO)
    dirs = node.made(TWO)
    assert dirs.claim(1) == "c"
    metadata = dirs.open_metadata_log(SETTINGS)
    dirs.load(lambda topic: SETTINGS)
    dirs.create_log("t", 0, TOPIC, SETTINGS)
    assert metadata.path == f"/two/{METADATA_TOPIC}-0"
    dirs.tick()
    dirs.close()
    assert node.disk.exists("/one/.kafka_cleanshutdown")
    assert not node.disk.locks


def test_sizes_are_described() -> None:
    node = Node()
    node.disk.volume(TWO, 1 << 20)
    dirs = node.started()
    log = dirs.create_log("t", 0, TOPIC, SETTINGS, ID_TWO)
    log.append(records(1), 0, NOW)
    described = dirs.describe()[1]
    assert (described.path, described.directory_id, described.error) == (TWO, ID_TWO, None)
    assert described.total_bytes == 1 << 20 > described.usable_bytes > 0
    assert described.logs == (LogSize("t", 0, 88),)


# -- failures


def test_a_failing_directory_goes_offline_with_its_logs_and_the_others_live() -> None:
    node = Node()
    dirs = node.started()
    here = [dirs.create_log("t", n, TOPIC, SETTINGS, ID_TWO) for n in range(2)]
    other = dirs.create_log("t", 2, TOPIC, SETTINGS, ID_ONE)
    for log in (*here, other):
        log.append(records(1), 0, NOW)
    node.disk.fail(EIO, "write", "/two/t-0/*")
    with pytest.raises(StorageFailed):
        here[0].append(records(1), 0, NOW)
    assert node.offline == [TWO]
    assert [log.failed for log in (*here, other)] == [True, True, False]
    assert other.append(records(1), 0, NOW).base_offset == 1
    assert dirs.create_log("t", 3, TOPIC, SETTINGS, ID_TWO).path == "/one/t-3"
    assert dirs.get("t", 0) is here[0]
    node.clock.ms = 10_000
    dirs.tick()
    dirs.close()
    assert (node.disk.exists("/one/.kafka_cleanshutdown"), node.disk.exists("/two/.kafka_cleanshutdown")) == (
        True,
        False,
    )


@pytest.mark.parametrize("operation", ["sync", "rename", "write"])
def test_a_checkpoint_that_cannot_be_written_takes_the_directory_offline(operation: str) -> None:
    node = Node()
    dirs = node.started()
    log = dirs.create_log("t", 0, TOPIC, SETTINGS, ID_TWO)
    log.append(records(1), 0, NOW)
    log.hw = 1
    node.disk.fail(EIO, operation, "/two/*-offset-checkpoint.tmp")
    dirs.checkpoint()
    assert (node.offline, log.failed) == ([TWO], True)


def test_without_a_directory_online_nothing_is_made() -> None:
    node = Node(ONE)
    dirs = node.started()
    node.disk.fail(EIO, "make", "/one/t-*")
    with pytest.raises(StorageFailed):
        dirs.create_log("t", 0, TOPIC, SETTINGS)
    node.disk.heal()
    with pytest.raises(StorageFailed):
        dirs.create_log("t", 0, TOPIC, SETTINGS)


def test_a_log_that_cannot_be_read_does_not_stop_the_node() -> None:
    node = Node(ONE)
    node.disk.make_dirs("/one/t-0")
    file = node.disk.open("/one/t-0/00000000000000000000.log", create=True)
    old = bytes(2) + b"\xff" * 8  # magic 0, without key and value
    file.pwritev([3 * (bytes(8) + (14).to_bytes(4, "big") + zlib.crc32(old).to_bytes(4, "big") + old)], 0)
    file.close()
    dirs = node.started()
    assert dirs.get("t", 0) is None
    assert node.disk.size("/one/t-0/00000000000000000000.log") == 78
    assert dirs.create_log("t", 1, TOPIC, SETTINGS).leo == 0


def test_damaged_checkpoints_are_done_without() -> None:
    node = Node(ONE)
    dirs = node.started()
    dirs.create_log("t", 0, TOPIC, SETTINGS).append(records(3), 0, NOW)
    dirs.close()
    for name in ("recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint"):
        node.disk.replace(f"{ONE}/{name}", b"rubble")
    [log] = node.started()
    assert (log.leo, log.hw, log.log_start_offset) == (3, 0, 0)
