"""python -m kcli, and the `kcli` script: run one command line, end with its exit code."""

import gc
import os
import sys
from types import TracebackType
from typing import NoReturn


def main() -> NoReturn:
    """Run sys.argv. Ctrl-C ends with 130; a bug is one line unless --debug is given."""
    args = sys.argv[1:]
    if args == ["--version"]:  # an answer need not wait for the parser
        from kcli import KAFKA_VERSION, __version__

        sys.stdout.write(f"kcli {__version__} (Kafka {KAFKA_VERSION} tools)\n")
        sys.exit(0)
    # Imports make thousands of objects that stay: looking through them again and again costs 5 ms.
    gc.set_threshold(50_000, 20, 20)
    if "--debug" not in args:
        sys.excepthook = _one_line
    try:
        from kcli.cli import run

        code = run(args)
    except KeyboardInterrupt:
        code = 130
    sys.stdout.flush()
    sys.stderr.flush()
    # Whatever a command opened is closed by now; taking the interpreter apart would cost another 10 ms.
    os._exit(code)


def _one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(f"kcli failed unexpectedly: {kind.__name__}: {error}\nRun it with --debug to see where.\n")


if __name__ == "__main__":
    main()
