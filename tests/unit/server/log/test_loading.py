"""Loading the logs of all directories: in steps, and not at all."""

from server.log.dirs import LogDirs
from tests.support.logs import NOW, records
from tests.unit.server.log.test_dirs import ONE, SETTINGS, TOPIC, Node


def claimed(node: Node) -> LogDirs:
    dirs = node.made()
    dirs.claim(1)
    return dirs


def test_logs_are_recovered_one_at_a_time_and_checkpoints_stay_whole_meanwhile() -> None:
    node = Node(ONE)
    dirs = node.started()
    for index in range(3):
        dirs.create_log("t", index, TOPIC, SETTINGS).append(records(5), 0, NOW)
    dirs.checkpoint()
    node.killed()
    marks = node.disk.read(f"{ONE}/recovery-point-offset-checkpoint")
    dirs, steps = claimed(node), 0
    for _ in dirs.loading(lambda topic: SETTINGS):
        steps += 1
        dirs.checkpoint()  # as the metadata log in the same directory may ask for
        assert node.disk.read(f"{ONE}/recovery-point-offset-checkpoint") == marks
    assert steps == 3
    assert [log.leo for log in dirs] == [5, 5, 5]


def test_a_stop_before_the_logs_are_loaded_leaves_everything_as_it_was() -> None:
    """A node that finds no quorum, and is stopped: the crash before that must not be taken for a clean stop."""
    node = Node(ONE)
    dirs = node.started()
    dirs.create_log("t", 0, TOPIC, SETTINGS).append(records(5), 0, NOW)
    dirs.checkpoint()
    node.killed()
    before = dict(node.disk.files())
    claimed(node).close()
    assert node.disk.files() == before
