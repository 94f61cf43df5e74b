"""Processes by pid and start time, with real ones."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kcli.cluster import processes
from kcli.cluster.processes import Process
from tests.support.waiting import free_port, until

ROOT = Path(__file__).parents[4]
SECONDS = 30.0


class Fakes:
    """Fake servers that this test started; whatever is left of them is killed at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.started: list[Process] = []

    def start(self, *manner: str) -> Process:
        words = [sys.executable, "-m", "tests.support.fake_server", str(free_port()), *manner]
        process = processes.spawn(words, str(self.log), str(self.folder), {**os.environ, "PYTHONPATH": str(ROOT)})
        self.started.append(process)
        if manner != ("die",):
            until(lambda: "ready" in self.log.read_text(), SECONDS, "the fake server")
        return process

    def end(self) -> None:
        for process in self.started:
            processes.send(process, signal.SIGKILL)
            assert processes.wait_gone(process, SECONDS)


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    made = Fakes(tmp_path)
    yield made
    made.end()


def test_a_process_is_seen_until_it_ends(fakes: Fakes) -> None:
    process = fakes.start()
    assert processes.seen(process.pid) == process
    health = processes.health(process)
    assert health
    assert not health.paused
    assert health.rss_bytes > 1 << 20
    assert processes.send(process, signal.SIGTERM)
    assert processes.wait_gone(process, SECONDS)
    assert processes.health(process) is None
    assert not processes.send(process, signal.SIGTERM)


def test_a_process_with_the_same_pid_and_another_start_is_not_touched(fakes: Fakes) -> None:
    """What keeps `kcli cluster kill` from killing what the system started later under an old pid."""
    process = fakes.start()
    other = process._replace(started="1")
    assert processes.health(other) is None
    assert not processes.send(other, signal.SIGKILL)
    assert processes.wait_gone(other, 0)
    assert processes.health(process)


def test_the_remains_of_a_process_are_none() -> None:
    """Where nobody waits for it, a process that ended keeps its pid and its start time."""
    child = subprocess.Popen(["true"])
    try:
        until(lambda: (told := processes._from_proc(child.pid)) and told.state == "Z", SECONDS, "its end")
        assert processes.seen(child.pid) is None
    finally:
        child.wait()


def test_a_paused_process_is_told_from_a_running_one(fakes: Fakes) -> None:
    process = fakes.start()

    def paused() -> bool:
        found = processes.health(process)
        assert found
        return found.paused

    processes.send(process, signal.SIGSTOP)
    until(paused, SECONDS, "the pause")
    processes.send(process, signal.SIGCONT)
    until(lambda: not paused(), SECONDS, "the end of the pause")


def test_waiting_for_the_end_gives_up_in_time(fakes: Fakes) -> None:
    process = fakes.start("deaf")
    processes.send(process, signal.SIGTERM)
    assert not processes.wait_gone(process, 0.1)


def test_a_process_outlives_the_terminal(fakes: Fakes) -> None:
    process = fakes.start()
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_what_a_process_says_goes_behind_what_the_log_has(fakes: Fakes) -> None:
    fakes.log.write_text("earlier\n")
    fakes.start()
    assert fakes.log.read_text() == "earlier\nready\n"


def test_a_process_is_kept_in_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "process")
    assert processes.read(path) is None
    processes.write(path, Process(12, "Mon-Jan-5"))
    assert processes.read(path) == Process(12, "Mon-Jan-5")


@pytest.mark.parametrize("text", ["", "12", "x 5", "12 \n", "\x00\x00"])
def test_a_file_that_was_torn_names_no_process(text: str, tmp_path: Path) -> None:
    (tmp_path / "process").write_text(text)
    assert processes.read(str(tmp_path / "process")) is None


def test_ps_tells_the_same_as_proc(fakes: Fakes) -> None:
    """The way of machines without /proc, beside the other."""
    process = fakes.start()
    by_proc, by_ps = processes._from_proc(process.pid), processes._from_ps(process.pid)
    assert by_proc
    assert by_ps
    assert by_ps.state == by_proc.state == "S"
    assert abs(by_ps.uptime_ms - by_proc.uptime_ms) < 5000
    assert by_ps.started == processes._from_ps(process.pid).started  # type: ignore[union-attr]
    assert processes._from_ps(2**22 + 1) is None


@pytest.mark.parametrize(
    ("text", "ms"), [("00:07", 7_000), ("01:02:03", 3_723_000), ("2-00:00:01", 172_801_000), ("1-02:03", 86_523_000)]
)
def test_ps_writes_how_long_a_process_runs(text: str, ms: int) -> None:
    assert processes._etime_ms(text) == ms


def test_the_state_of_a_process_whose_name_has_parentheses_is_read(tmp_path: Path) -> None:
    """proc(5): the name stands between parentheses, unescaped."""
    strange = tmp_path / "a) R 1 (b"
    strange.symlink_to("/bin/sleep")
    child = subprocess.Popen([strange, "60"])
    try:
        told = processes._from_proc(child.pid)
        assert told
        assert told.started == processes._from_proc(child.pid).started  # type: ignore[union-attr]
        assert told.started.isdigit()
        assert int(told.started) > 1000
    finally:
        child.kill()
        child.wait()
