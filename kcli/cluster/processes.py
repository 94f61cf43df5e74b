"""Processes by pid and start time: start one that outlives us, see how it does, signal it, wait for its end.

Source: proc(5); ps(1) where there is no /proc.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

POLL_S = 0.02
GONE = ("Z", "X", "x")
_children: list["subprocess.Popen[bytes]"] = []  # kept, so that those that end before us are reaped


class Process(NamedTuple):
    """A process that somebody saw. `started` is the system's own word for when, e.g. field 22 of /proc/PID/stat."""

    pid: int
    started: str


class Health(NamedTuple):
    """How a process does now."""

    paused: bool
    rss_bytes: int
    uptime_ms: int


def spawn(command: Sequence[str], log: str, folder: str, environment: Mapping[str, str]) -> Process:
    """Start a process of its own session in `folder`, whose output is appended to the file `log`."""
    with open(log, "ab") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    _children.append(child)
    return seen(child.pid) or Process(child.pid, "")


def seen(pid: int) -> Process | None:
    """The process that has this pid now; None if there is none, or only its remains."""
    told = _told(pid)
    return Process(pid, told.started) if told else None


def health(process: Process) -> Health | None:
    """How it does; None if it is gone."""
    told = _told(process.pid)
    if told is None or told.started != process.started:
        return None
    return Health(told.state in ("T", "t"), told.rss_bytes, told.uptime_ms)


def send(process: Process, number: signal.Signals) -> bool:
    """Signal it; False if it is gone."""
    if not hasattr(os, "pidfd_open"):
        if health(process) is None:
            return False
        os.kill(process.pid, number)
        return True
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        # The handle is of whoever has the pid now: once we hold it, the pid cannot go to another.
        if health(process) is None:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def reap() -> None:
    """Let go of those whom we started and who have ended, whoever ended them."""
    _children[:] = [child for child in _children if child.poll() is None]


def wait_gone(process: Process, seconds: float, tick: Callable[[], None] = lambda: None) -> bool:
    """Wait for its end; False if it is still there after `seconds`. `tick` is called now and then."""
    deadline = time.monotonic() + seconds
    while health(process) is not None:
        if time.monotonic() >= deadline:
            return False
        tick()
        time.sleep(POLL_S)
    return True


def write(path: str, process: Process) -> None:
    """Keep a process in a file, all or nothing."""
    with open(f"{path}.tmp", "w", encoding="ascii") as file:
        file.write(f"{process.pid} {process.started}\n")
    os.replace(f"{path}.tmp", path)


def read(path: str) -> Process | None:
    """Read what `write` wrote; None if there is nothing that can be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            pid, _, started = file.read().strip().partition(" ")
    except FileNotFoundError:
        return None
    return Process(int(pid), started) if pid.isdigit() and started else None


class _Told(NamedTuple):
    state: str
    started: str
    rss_bytes: int
    uptime_ms: int


def _told(pid: int) -> _Told | None:
    reap()
    told = _from_proc(pid) if os.path.isdir("/proc/self") else _from_ps(pid)
    return None if told is None or told.state in GONE else told


def _from_proc(pid: int) -> _Told | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # The name of the program stands in parentheses and may hold anything; what follows is plain.
            fields = file.read().rpartition(")")[2].split()
        with open("/proc/uptime", encoding="ascii") as file:
            since_boot = float(file.read().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, started, pages = fields[0], fields[19], fields[21]
    age = since_boot - int(started) / os.sysconf("SC_CLK_TCK")
    return _Told(state, started, int(pages) * os.sysconf("SC_PAGE_SIZE"), max(0, round(age * 1000)))


def _from_ps(pid: int) -> _Told | None:
    done = subprocess.run(
        ["ps", "-o", "state=,rss=,etime=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )
    fields = done.stdout.split()
    if len(fields) < 4:
        return None
    state, rss, age, *started = fields
    return _Told(state[0], "-".join(started), int(rss) * 1024, _etime_ms(age))


def _etime_ms(text: str) -> int:
    """Read ps's [[days-]hours:]minutes:seconds."""
    days, _, clock = text.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return (int(days or 0) * 86_400 + seconds) * 1000


def python(module: str, arguments: Sequence[str]) -> list[str]:
    """The command that runs a module with this Python; `-P`: a folder of that name where we stand must not count."""
    return [sys.executable, "-P", "-m", module, *arguments]
