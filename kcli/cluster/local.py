"""A local cluster: a folder with one folder for each node (`node-0`), and the processes that run from them.

A node's folder holds server.properties, data/, server.log, and `process` while it runs: the pid and start time of what
was started. A node without that file is stopped; with it, and without the process, it has crashed.
"""

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from kcli import properties
from kcli.cluster import network, processes, servers
from kcli.cluster.processes import Process
from kcli.errors import Failure, Setup

STOP_TIMEOUT_S = 60.0
SIGNAL_S = 5.0
RUNNING, PAUSED, STOPPED, CRASHED = "running", "paused", "stopped", "crashed"
SETTINGS, DATA, LOG, PROCESS, LOCK = "server.properties", "data", "server.log", "process", ".lock"
PREFIX = "node-"
CUTS, SIDES = "cuts", "partition"
CUTS_SETTLE_S = 0.25  # nodes look at their cuts ten times a second


class State(NamedTuple):
    """How a node is: running, paused, stopped, or crashed (its process ended without being told to, or was killed)."""

    word: str
    pid: int | None = None
    rss_bytes: int | None = None
    uptime_ms: int | None = None


class Folder:
    """A node's folder."""

    def __init__(self, path: str, node: int) -> None:
        self.path, self.node = path, node
        self.settings, self.data = os.path.join(path, SETTINGS), os.path.join(path, DATA)
        self.log, self._process = os.path.join(path, LOG), os.path.join(path, PROCESS)
        self._cuts = os.path.join(path, CUTS)

    def load(self) -> dict[str, str]:
        """Its settings."""
        return properties.load(self.settings)

    def write(self, settings: Mapping[str, str]) -> None:
        os.makedirs(self.path, exist_ok=True)
        _replace(self.settings, text_of(settings))

    def state(self) -> State:
        process = processes.read(self._process)
        if process is None:
            return State(STOPPED)
        health = processes.health(process)
        if health is None:
            return State(CRASHED)
        return State(PAUSED if health.paused else RUNNING, process.pid, health.rss_bytes, health.uptime_ms)

    def start(self) -> tuple[Process, int]:
        """Start it; returns the process, and where in the log its words begin."""
        log_from = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        command = [*servers.command(self.settings), "--cuts", self._cuts]
        process = processes.spawn(command, self.log, self.path, servers.environment())
        processes.write(self._process, process)
        return process, log_from

    def wait_ready(self, process: Process, log_from: int, address: tuple[str, int], tick: Callable[[], None]) -> None:
        """Wait until it answers at `address`. Raises Failure."""
        where = f"{address[0]}:{address[1]}"
        servers.wait_ready(
            process, lambda: network.answers(*address), f"Node {self.node}", where, self.log, log_from, tick
        )

    def cut(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Let it reach these addresses no more, and all others again."""
        _replace(self._cuts, "".join(f"{host}:{port}\n" for host, port in addresses))

    def signal(self, number: signal.Signals) -> bool:
        """Signal its process; False if it has none."""
        process = processes.read(self._process)
        return process is not None and processes.send(process, number)

    def pause(self) -> bool:
        """Freeze its process, and return when it is frozen; False if it has none."""
        return self.signal(signal.SIGSTOP) and self._settled(paused=True)

    def resume(self) -> bool:
        """Let its process go on; False if it has none."""
        return self.signal(signal.SIGCONT) and self._settled(paused=False)

    def _settled(self, *, paused: bool) -> bool:
        """The system takes a moment to do what a signal asks; True, also if it takes longer."""
        deadline = time.monotonic() + SIGNAL_S
        while (self.state().word == PAUSED) != paused and time.monotonic() < deadline:
            time.sleep(processes.POLL_S)
        return True

    def ask_to_stop(self) -> None:
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # a paused process hears nothing before

    def wait_stopped(self, tick: Callable[[], None] = lambda: None) -> None:
        """Wait for its end after `ask_to_stop`, and drop the account of it. Raises Failure: it does not end."""
        process = processes.read(self._process)
        if process is not None:
            if not processes.wait_gone(process, STOP_TIMEOUT_S, tick):
                raise Failure(
                    f"Node {self.node} (process {process.pid}) has not stopped within {STOP_TIMEOUT_S:.0f} s.",
                    f"See kcli cluster logs {self.node}; kcli cluster kill {self.node} ends it at once.",
                )
            os.remove(self._process)

    def kill(self) -> bool:
        """kill -9; False if it has no process. The account stays: a killed node has crashed, it was not stopped."""
        process = processes.read(self._process)
        if process is None or not processes.send(process, signal.SIGKILL):
            return False
        if not processes.wait_gone(process, STOP_TIMEOUT_S):
            raise Failure(f"Node {self.node} (process {process.pid}) is still there after kill -9.")
        return True


class LocalCluster:
    """A folder of nodes. What changes something happens inside `locked()`."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def folders(self) -> list[Folder]:
        """The nodes' folders, by id; none if there is no cluster here."""
        return [each for each in self._all() if os.path.exists(each.settings)]

    def lacking(self) -> str | None:
        """A file that a whole cluster would have: nodes count from 0, and each has its settings. None: nothing."""
        have = {folder.node for folder in self.folders()}
        gone = (node for node in range(max((folder.node for folder in self._all()), default=-1)) if node not in have)
        last = (folder.node for folder in self._all() if folder.node not in have)
        missing = next(gone, next(last, None))
        return None if missing is None else self.folder(missing).settings

    def _all(self) -> list[Folder]:
        """By id; also folders that are no node any more, or not yet."""
        if not os.path.isdir(self.path):
            return []
        names = (name.removeprefix(PREFIX) for name in os.listdir(self.path) if name.startswith(PREFIX))
        return [self.folder(node) for node in sorted(int(name) for name in names if name.isdigit())]

    def folder(self, node: int) -> Folder:
        return Folder(os.path.join(self.path, f"{PREFIX}{node}"), node)

    def sides(self) -> str:
        """The partition that is in force, as it was set; empty: none."""
        try:
            with open(os.path.join(self.path, SIDES), encoding="utf-8") as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""

    def set_sides(self, told: str) -> None:
        """Keep which partition is in force; empty: none."""
        path = os.path.join(self.path, SIDES)
        if told:
            _replace(path, f"{told}\n")
        elif os.path.exists(path):
            os.remove(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the cluster: two commands at once must not both start or remove it. Raises Setup, Failure."""
        try:
            os.makedirs(self.path, exist_ok=True)
            lock = os.open(os.path.join(self.path, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Setup(f"Cannot use {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                yield
            finally:
                self._tidy()
        except BlockingIOError as error:
            raise Failure(f"Another kcli cluster command works on {self.path} just now.", "Try again.") from error
        finally:
            os.close(lock)

    def remove(self, nodes: Sequence[Folder] | None = None) -> None:
        """Remove the nodes' folders (default: all). The cluster's own goes with the lock, if nothing else is in it."""
        for folder in self.folders() if nodes is None else nodes:
            shutil.rmtree(folder.path, ignore_errors=not os.path.exists(folder.path))
        self.set_sides("")

    def _tidy(self) -> None:
        if set(os.listdir(self.path)) <= {LOCK}:
            shutil.rmtree(self.path)


def default_path() -> str:
    return os.path.join(servers.state_dir(), "clusters", "default")


def text_of(settings: Mapping[str, str]) -> str:
    """Settings as properties text."""
    return "".join(f"{name}={value.replace(chr(92), chr(92) * 2)}\n" for name, value in settings.items())


def _replace(path: str, text: str) -> None:
    """Write a file, all or nothing."""
    with open(f"{path}.tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.tmp", path)
