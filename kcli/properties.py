"""Java .properties text, and what a client needs of it: where to connect and how.

The grammar is that of java.util.Properties: `=`, `:` or blank end a key, `#` and `!` begin a comment line, a backslash
at the end continues a line, `\\t \\n \\r \\f \\uXXXX` are escapes. `parse` keeps the line of each key, so that whoever
checks a value can name it.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from kcli import contexts
from kcli.errors import Setup

Address = tuple[str, int]
DEFAULT_BOOTSTRAP = "localhost:9092"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class Entry(NamedTuple):
    """One key of a file; `line` counts from 1 and is where the key stands."""

    key: str
    value: str
    line: int


class Connection(NamedTuple):
    """Where a client connects, and its settings (Kafka's names, text values)."""

    bootstrap: tuple[Address, ...]
    settings: Mapping[str, str]

    @property
    def named(self) -> str:
        """The addresses as a user writes them."""
        return ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.bootstrap)


def parse(text: str) -> list[Entry]:
    """Read properties text; a key that comes again is another entry (the last one counts)."""
    return [Entry(*_split(line), number) for number, line in _logical_lines(text)]


def load(path: str) -> dict[str, str]:
    """Read a properties file. Raises Setup when it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return {entry.key: entry.value for entry in parse(file.read())}
    except OSError as error:
        raise Setup(f"Cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Setup(f"Cannot read {path}: it is not UTF-8 text") from error


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """Read `key=value` texts: split at the first `=`; without one the value is empty."""
    split = (text.partition("=") for text in texts)
    return {key.strip(): value for key, _, value in split}


def addresses(text: str, setting: str = "bootstrap.servers") -> tuple[Address, ...]:
    """Read `host:port,host:port`; an IPv6 host stands in brackets. Raises Setup in Kafka's words."""
    found = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(?:[A-Za-z_]\w*://)?(\[[0-9a-fA-F:.%]+\]|[^\s:/\[\]]+):(\d+)", entry)
        if not match:
            raise Setup(f"Invalid url in {setting}: {entry}", "Write it as HOST:PORT, e.g. localhost:9092.")
        host, port = match[1].strip("[]"), int(match[2])
        if not 0 < port < 65536:
            raise Setup(f"Invalid port in {setting}: {entry}", "A port is a number from 1 to 65535.")
        found.append((host, port))
    if not found:
        raise Setup(f"No resolvable bootstrap urls given in {setting}", "Write it as HOST:PORT, e.g. localhost:9092.")
    return tuple(found)


def bootstrap(given: str | None, settings: Mapping[str, str]) -> str:
    """Choose the brokers: the option, the client's file, KCLI_BOOTSTRAP_SERVER, the current context, localhost:9092."""
    return (
        given
        or settings.get("bootstrap.servers")
        or os.environ.get("KCLI_BOOTSTRAP_SERVER")
        or contexts.current().get("bootstrap-server")
        or DEFAULT_BOOTSTRAP
    )


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first line, text) with continuations joined, comments and empty lines left out."""
    joined, first = "", 0
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line = raw.lstrip(" \t\f")
        if not first:
            if not line or line[0] in "#!":
                continue
            first = number
        if (len(line) - len(line.rstrip("\\"))) % 2:
            joined += line[:-1]
            continue
        yield first, joined + line
        joined, first = "", 0
    if first and joined:
        yield first, joined


def _split(line: str) -> tuple[str, str]:
    match = re.match(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", line, re.DOTALL)
    assert match, "every part of the pattern may be empty"
    return _unescape(match[1]), _unescape(match[2])


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def plain(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2])

    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.?))", plain, text, flags=re.DOTALL)
