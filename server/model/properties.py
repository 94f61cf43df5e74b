"""Java's .properties text: names and values with their lines, and back.

A line holds a name and a value, parted by `=`, `:` or blanks; `#` and `!` begin a comment; a backslash at its end
continues the line, one before a character makes it plain or special (\\t \\n \\r \\f \\uXXXX).
Source: java.util.Properties.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Property(NamedTuple):
    name: str
    value: str
    line: int


class BadProperties(ValueError):
    """The text breaks the format; `line` is where, from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


_NAME = re.compile(r"((?:[^\\=: \t\f]|\\.?)*)[ \t\f]*[=:]?[ \t\f]*", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.?)", re.DOTALL)
_SPECIAL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def parse(text: str) -> list[Property]:
    """The properties in the order of the text; a name may appear twice, and then the last one holds.

    Raises BadProperties: a \\u without four hexadecimal digits.
    """
    found = []
    for line, logical in _logical_lines(text):
        split = _NAME.match(logical)
        assert split is not None
        found.append(Property(_unescaped(split[1], line), _unescaped(logical[split.end() :], line), line))
    return found


def parsed(text: str) -> dict[str, str]:
    """The properties as a mapping. Raises BadProperties."""
    return {each.name: each.value for each in parse(text)}


def written(properties: Mapping[str, str]) -> str:
    """A text that parse() reads back, one line each, in the order given."""
    return "".join(f"{_escaped(name, name=True)}={_escaped(value)}\n" for name, value in properties.items())


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that hold something, joined with those that continue them; with the number of the first."""
    begun, held = 0, ""
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        line = raw.lstrip(" \t\f")
        if not begun and (not line or line[0] in "#!"):
            continue
        begun = begun or number
        slashes = len(line) - len(line.rstrip("\\"))
        if slashes % 2:
            held += line[:-1]
        else:
            yield begun, held + line
            begun, held = 0, ""
    if begun:
        yield begun, held


def _unescaped(text: str, line: int) -> str:
    def plain(found: re.Match[str]) -> str:
        body = found[1]
        if body == "u":
            raise BadProperties(line, "Malformed \\uxxxx encoding.")
        return chr(int(body[1:], 16)) if body.startswith("u") else _SPECIAL.get(body, body)

    return _ESCAPE.sub(plain, text)


def _escaped(text: str, *, name: bool = False) -> str:
    escapes = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}
    if name:
        escapes |= {each: "\\" + each for each in " =:#!"}
    told = "".join(escapes.get(each, each) for each in text)
    return "\\" + told if told.startswith(" ") else told
