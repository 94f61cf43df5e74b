"""python -m kcli, and the `kcli` script: run one command line, end with its exit code."""

import sys
from types import TracebackType


def main() -> int:
    """Run sys.argv. Ctrl-C ends with 130; a bug is one line unless --debug is given."""
    args = sys.argv[1:]
    if args == ["--version"]:  # an answer need not wait for the parser
        from kcli import KAFKA_VERSION, __version__

        sys.stdout.write(f"kcli {__version__} (Kafka {KAFKA_VERSION} tools)\n")
        return 0
    if "--debug" not in args:
        sys.excepthook = _one_line
    try:
        from kcli.cli import run

        return run(args)
    except KeyboardInterrupt:
        return 130


def _one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(f"kcli failed unexpectedly: {kind.__name__}: {error}\nRun it with --debug to see where.\n")


if __name__ == "__main__":
    sys.exit(main())
