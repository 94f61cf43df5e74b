"""The journal: what was changed on which cluster, so that there is a way back. One file an entry, a folder a tool.

The folders are in $XDG_STATE_HOME/kcli-kafka/journal/. An entry is named after its time in UTC; entries of the same
second are told apart by a number. An entry is written before the cluster is asked for anything.
"""

import os
import time

from kcli.errors import Failure

SUFFIX = ".json"
MAX_SAME_SECOND = 1000


def folder(tool: str) -> str:
    """Where the entries of a tool are."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "kcli-kafka", "journal", tool)


def write(tool: str, text: str) -> str:
    """Write an entry; returns its id. Raises OSError."""
    os.makedirs(folder(tool), exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    for number in range(1, MAX_SAME_SECOND):
        entry = stamp if number == 1 else f"{stamp}-{number}"
        try:
            with open(path(tool, entry), "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return entry
    raise OSError(0, "there are too many entries of this second")


def path(tool: str, entry: str) -> str:
    """The file of an entry."""
    return os.path.join(folder(tool), entry + SUFFIX)


def entries(tool: str) -> tuple[str, ...]:
    """The ids of all entries, the newest last. Raises Failure."""
    try:
        names = os.listdir(folder(tool))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Failure(f"Cannot read {folder(tool)}: {error.strerror}") from error
    return tuple(sorted((name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)), key=_order))


def _order(entry: str) -> tuple[list[str], int]:
    words = entry.split("-")
    number = words[2] if len(words) > 2 else "1"
    return words[:2], int(number) if number.isdigit() else 0
