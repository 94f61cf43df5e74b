"""Call kcli many times, each call a process of its own, without paying for its imports each time.

`python -m tests.support.calls` is a process that has imported every command and forks a child for each call. A child is
what a user's `kcli` is from there on: own arguments, folder, environment, standard streams and exit code.
"""

import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent.parent
CRASHED = 70


class Calls:
    """Use as a context manager; `kcli(...)` makes one call."""

    def __enter__(self) -> Self:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.support.calls"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._streams = tempfile.TemporaryDirectory(prefix="kcli-calls-")
        return self

    def kcli(
        self,
        args: Sequence[str],
        stdin: bytes,
        cwd: Path,
        *,
        seconds: float = 60,
        environment: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[bytes]":
        """Raises subprocess.TimeoutExpired."""
        streams = [Path(self._streams.name) / name for name in ("in", "out", "err")]
        streams[0].write_bytes(stdin)
        call = {
            "args": list(args),
            "cwd": str(cwd),
            "environment": {"XDG_STATE_HOME": f"{self._streams.name}/state", **(environment or {})},
            "streams": list(map(str, streams)),
            "seconds": seconds,
        }
        assert self._parent.stdin
        assert self._parent.stdout
        self._parent.stdin.write(json.dumps(call) + "\n")
        self._parent.stdin.flush()
        code = json.loads(self._parent.stdout.readline())
        out, err = (stream.read_bytes() for stream in streams[1:])
        if code is None:
            raise subprocess.TimeoutExpired(list(args), seconds, out, err)
        return subprocess.CompletedProcess(list(args), code, out, err)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._parent.stdin
        assert self._parent.stdout
        self._parent.stdin.close()
        self._parent.wait()
        self._parent.stdout.close()
        self._streams.cleanup()


def serve() -> None:
    """Read calls, one JSON object a line, and answer each with its exit code, or null where it took too long."""
    for package in ("kcli.commands", "kcli.render", "kcli.plan", "kcli.pipeline"):
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
            importlib.import_module(f"{package}.{found.name}")
    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(call)
        sys.stdout.write(json.dumps(_wait(child, call["seconds"])) + "\n")
        sys.stdout.flush()


def _wait(child: int, seconds: float) -> int | None:
    late = False

    def kill(*_: Any) -> None:
        nonlocal late
        late = True
        os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, kill)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return None if late else os.waitstatus_to_exitcode(status)


def _run(call: dict[str, Any]) -> None:
    code: object = CRASHED
    try:
        for descriptor, path in enumerate(call["streams"]):
            flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(path, flags, 0o600), descriptor)
        os.chdir(call["cwd"])
        os.environ.update(call["environment"])
        sys.stdin = os.fdopen(0, closefd=False)
        sys.argv = ["kcli", *call["args"]]
        code = importlib.import_module("kcli.__main__").main()
    except SystemExit as e:
        code = e.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    serve()
