"""Waiting for a server, and the account of those that were started by hand."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kcli.cluster import network, processes, servers
from kcli.cluster.processes import Process
from kcli.errors import Failure
from tests.support.waiting import free_port

ROOT = Path(__file__).parents[4]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Process]]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made: list[Process] = []
    yield made
    for process in made:
        processes.send(process, signal.SIGKILL)
        assert processes.wait_gone(process, 30)


def fake(log: Path, started: list[Process], port: int, *manner: str) -> Process:
    words = [sys.executable, "-m", "tests.support.fake_server", str(port), *manner]
    process = processes.spawn(words, str(log), str(log.parent), {**os.environ, "PYTHONPATH": str(ROOT)})
    started.append(process)
    return process


def test_waiting_ends_when_the_server_answers(tmp_path: Path, started: list[Process]) -> None:
    port, ticks = free_port(), list[int]()
    process = fake(tmp_path / "log", started, port)
    servers.wait_ready(
        process,
        lambda: len(ticks) > 1 and network.answers("127.0.0.1", port),
        "Node 0",
        f"localhost:{port}",
        str(tmp_path / "log"),
        0,
        lambda: ticks.append(1),
    )
    assert network.answers("127.0.0.1", port)


def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path, started: list[Process]) -> None:
    log = tmp_path / "log"
    log.write_text("an earlier run\n")
    process = fake(log, started, 1, "die")
    with pytest.raises(Failure, match=r"^Node 0 ended while it started") as failed:
        servers.wait_ready(process, lambda: False, "Node 0", "localhost:1", str(log), log.stat().st_size, lambda: None)
    assert failed.value.advice == f"This server has no reason to live.\nIts log: {log}"


def test_a_server_that_never_answers_is_given_up(
    tmp_path: Path, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "START_TIMEOUT_S", 0.2)
    process = fake(tmp_path / "log", started, free_port())
    with pytest.raises(Failure, match=r"^Node 0 does not answer at localhost:1 after 0 s, but its process is there"):
        servers.wait_ready(process, lambda: False, "Node 0", "localhost:1", str(tmp_path / "log"), 0, lambda: None)
    assert processes.health(process)


def test_servers_by_hand_are_known_until_they_end(tmp_path: Path, started: list[Process]) -> None:
    process = fake(tmp_path / "log", started, free_port())
    servers.record(process, "1", "broker,controller", "/c/server.properties")
    (known,) = servers.started_by_hand()
    assert known[:4] == (process, "1", "broker,controller", "/c/server.properties")
    processes.send(process, signal.SIGKILL)
    assert processes.wait_gone(process, 30)
    assert servers.started_by_hand() == []
    assert not os.path.exists(known.record)


@pytest.mark.parametrize(("name", "text"), [("12.server", "1\n2\n"), ("x.server", "1\n2\n3\n4\n"), ("12.log", "")])
def test_other_files_are_no_servers(name: str, text: str, tmp_path: Path, started: list[Process]) -> None:
    folder = tmp_path / "kcli-kafka" / "servers"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    assert servers.started_by_hand() == []


def test_a_process_that_took_an_old_pid_is_no_server(started: list[Process]) -> None:
    servers.record(Process(os.getpid(), "1"), "1", "broker", "/c")
    assert servers.started_by_hand() == []


def test_only_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{line}\n" for line in range(100_000)))
    assert servers.tail(str(log)) == [str(line) for line in range(99_990, 100_000)]
    assert servers.tail(str(log), log.stat().st_size) == []
    assert servers.tail(str(tmp_path / "none")) == []


def test_a_server_is_run_by_this_python_and_not_from_where_we_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder called `server` is common enough where people work."""
    assert servers.command("c", ["a=b"]) == [sys.executable, "-P", "-m", "server", "c", "--override", "a=b"]
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert servers.environment()["PYTHONPATH"] == str(ROOT)
    monkeypatch.setenv("PYTHONPATH", "more")
    assert servers.environment()["PYTHONPATH"] == f"{ROOT}{os.pathsep}more"
