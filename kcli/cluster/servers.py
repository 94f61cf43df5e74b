"""Server processes: their command line, the wait until one answers, and those that `kcli server-start` started.

A server that was started by hand leaves a file in the state folder, so that `kcli server-stop` finds it, and nothing
else: any program may be called `server`.
"""

import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from kcli.cluster import processes
from kcli.cluster.processes import Process
from kcli.errors import Failure

START_TIMEOUT_S = 60.0
POLL_S = 0.05
SHOWN_LOG_LINES = 10
MAX_TAIL_BYTES = 64 * 1024


class Server(NamedTuple):
    """A server that was started by hand. `roles` is process.roles as its file has it."""

    process: Process
    node: str
    roles: str
    config: str
    record: str


def state_dir() -> str:
    """Where local servers are kept account of: $XDG_STATE_HOME/kcli-kafka."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "kcli-kafka")


def command(config: str, overrides: Sequence[str] = ()) -> list[str]:
    """The command line of a server; `overrides` are key=value texts."""
    words = [word for text in overrides for word in ("--override", text)]
    return processes.python("server", [config, *words])


def environment() -> dict[str, str]:
    """Our environment, in which Python finds the same server as this kcli belongs to."""
    spec = importlib.util.find_spec("server")
    assert spec
    assert spec.origin
    path = [os.path.dirname(os.path.dirname(spec.origin)), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONUNBUFFERED": "1"}


def wait_ready(
    process: Process,
    ready: Callable[[], bool],
    named: str,
    where: str,
    log: str,
    log_from: int,
    tick: Callable[[], None],
) -> None:
    """Wait until `ready`. Raises Failure: the process ended (with what it said last), or does not answer in time.

    named     what it is called in words, e.g. `Node 0`
    log_from  where in its log this run begins, in bytes
    tick      called now and then, to show that we wait
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if processes.health(process) is None:
            said = tail(log, log_from)
            raise Failure(f"{named} ended while it started.", "\n".join([*said, f"Its log: {log}"]))
        if time.monotonic() >= deadline:
            raise Failure(
                f"{named} does not answer at {where} after {START_TIMEOUT_S:.0f} s, but its process is there.",
                "\n".join([*tail(log, log_from), f"Its log: {log}"]),
            )
        tick()
        time.sleep(POLL_S)


def tail(log: str, log_from: int = 0) -> list[str]:
    """The last lines of a log, from `log_from` on."""
    try:
        with open(log, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(log_from, end - MAX_TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-SHOWN_LOG_LINES:]
    except FileNotFoundError:
        return []


def record(process: Process, node: str, roles: str, config: str) -> None:
    """Keep account of a server that is started by hand."""
    folder = _folder()
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{process.pid}.server")
    with open(f"{path}.tmp", "w", encoding="utf-8") as file:
        file.write("\n".join([process.started, node, roles, config]) + "\n")
    os.replace(f"{path}.tmp", path)


def forget(server: Server) -> None:
    """Drop the account of a server that is gone."""
    if os.path.exists(server.record):
        os.remove(server.record)


def started_by_hand() -> list[Server]:
    """The servers that were started by hand and are there, by pid; accounts of those that are gone are dropped."""
    found = []
    for server in _recorded():
        if processes.health(server.process) is None:
            forget(server)
        else:
            found.append(server)
    return sorted(found)


def _recorded() -> Iterator[Server]:
    folder = _folder()
    if not os.path.isdir(folder):
        return
    for name in os.listdir(folder):
        pid, _, ending = name.partition(".")
        if not (pid.isdigit() and ending == "server"):
            continue
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        if len(lines) == 4:
            started, node, roles, config = lines
            yield Server(Process(int(pid), started), node, roles, config, path)


def _folder() -> str:
    return os.path.join(state_dir(), "servers")
