"""What lines of text mean as records, and what an --offset means: the rules of the console tools. Pure.

Lines are bytes and stay bytes: keys, values and header values need not be text. A line ends at a newline and nowhere
else, so that carriage returns are data; with `line.ending=crlf` (kcli's own) one before the newline is not.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from kcli.errors import Failure, Setup

Headers = tuple[tuple[str, bytes | None], ...]
EARLIEST, LATEST = "earliest", "latest"
PROPERTIES = (
    "topic",
    "parse.key",
    "key.separator",
    "parse.headers",
    "headers.delimiter",
    "headers.separator",
    "headers.key.separator",
    "null.marker",
    "ignore.error",
    "line.ending",
)


class Parsed(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: Headers


class Lines:
    """How lines are read, from the reader's properties. Raises Failure where they contradict each other."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        def flag(name: str) -> bool:
            return is_true(properties.get(name, "false"))

        def text(name: str, default: str) -> bytes:
            return properties.get(name, default).encode()

        self.parse_key, self.parse_headers = flag("parse.key"), flag("parse.headers")
        self.ignore_error = flag("ignore.error")
        self.crlf = _ending(properties.get("line.ending", "lf"))
        self._key_separator = text("key.separator", "\t")
        self._delimiter, self._between = text("headers.delimiter", "\t"), text("headers.separator", ",")
        self._header_separator = text("headers.key.separator", ":")
        self._null = properties["null.marker"].encode() if "null.marker" in properties else None
        self._check()
        try:
            self._split = re.compile(self._between)  # an expression, as Kafka has it
        except re.error as error:
            raise Setup(f"headers.separator is not a regular expression: {error}") from error

    @property
    def plain(self) -> bool:
        """Whether every line is a value as it stands."""
        return not (self.parse_key or self.parse_headers or self.crlf or self._null is not None)

    def parse(self, line: bytes, number: int) -> Parsed:
        """Read one line; `number` counts from 1. Raises Failure in Kafka's words."""
        if self.crlf:
            line = line.removesuffix(b"\r")
        rest, headers, key = line, Headers(), None
        if self.parse_headers:
            block, found, after = rest.partition(self._delimiter)
            if found:
                rest = after
                headers = () if block == self._null else self._headers(block, number)
            elif not self.ignore_error:
                raise Failure(f"No headers delimiter found on line number {number}: '{_shown(line)}'")
        if self.parse_key:
            before, found, after = rest.partition(self._key_separator)
            if found:
                rest, key = after, self._or_null(before)
            elif not self.ignore_error:
                raise Failure(f"No key separator found on line number {number}: '{_shown(line)}'")
        return Parsed(key, self._or_null(rest), headers)

    def _headers(self, block: bytes, number: int) -> Headers:
        pieces = self._split.split(block)
        while len(pieces) > 1 and not pieces[-1]:  # empty pieces at the end do not count, as in Java
            pieces.pop()
        return tuple(self._header(piece, number) for piece in pieces)

    def _header(self, pair: bytes, number: int) -> tuple[str, bytes | None]:
        name, found, value = pair.partition(self._header_separator)
        if not found:
            if not self.ignore_error:
                raise Failure(f"No header key separator found in pair '{_shown(pair)}' on line number {number}")
            return _name(pair, number), None
        if name == self._null:
            raise Failure(f"Header keys should not be equal to the null marker '{_shown(name)}' as they can't be null")
        return _name(name, number), self._or_null(value)

    def _or_null(self, field: bytes) -> bytes | None:
        return None if field == self._null else field

    def _check(self) -> None:
        pairs = [
            ("headers.delimiter", self._delimiter, "headers.separator", self._between),
            ("headers.delimiter", self._delimiter, "headers.key.separator", self._header_separator),
            ("headers.separator", self._between, "headers.key.separator", self._header_separator),
            ("null.marker", self._null, "key.separator", self._key_separator),
            ("null.marker", self._null, "headers.separator", self._between),
            ("null.marker", self._null, "headers.delimiter", self._delimiter),
            ("null.marker", self._null, "headers.key.separator", self._header_separator),
        ]
        for one, its, other, theirs in pairs:
            if its == theirs:
                raise Setup(f"{one} and {other} may not be equal")
        for name, text in (
            ("key.separator", self._key_separator),
            ("headers.delimiter", self._delimiter),
            ("headers.key.separator", self._header_separator),
        ):
            if not text:
                raise Setup(f"{name} may not be empty")


def is_true(text: str) -> bool:
    """A boolean property of the console tools: whatever is not `true` is false."""
    return text.strip().lower() == "true"


def unknown(properties: Mapping[str, str]) -> list[str]:
    """Names that a reader does not know: mistyped ones, most of the time."""
    return [name for name in properties if name not in PROPERTIES]


class Start(NamedTuple):
    """Where to begin: `offset` itself; the `last` so many; from `when` on; or earliest or latest (`word`)."""

    word: str | None = None
    offset: int | None = None
    last: int | None = None
    when: str | None = None

    @property
    def of_kafka(self) -> bool:
        """Whether Kafka's tool has it, too."""
        return self.last is None and self.when is None


def start(text: str) -> Start:
    """Read an --offset. Raises Setup."""
    word = text.strip().lower()
    if word in (EARLIEST, LATEST):
        return Start(word=word)
    if text.startswith("@") and text[1:]:
        return Start(when=text[1:])
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and int(digits) < 1 << 63:
        return Start(last=int(digits)) if text.startswith("-") else Start(offset=int(digits))
    raise Setup(
        f"The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative "
        "long.",
        "Or, with kcli: -N for the last N records, @2026-01-31T12:00 for the first record from a moment on.",
    )


class Keys(NamedTuple):
    """Which records are wanted, by their keys. Neither: all of them."""

    exact: bytes | None = None
    pattern: re.Pattern[bytes] | None = None

    def wants(self, key: bytes | None) -> bool:
        if self.exact is not None:
            return key == self.exact
        return self.pattern is None or (key is not None and self.pattern.fullmatch(key) is not None)

    @property
    def all(self) -> bool:
        return self.exact is None and self.pattern is None


def keys(exact: str | None, expression: str | None) -> Keys:
    """Raises Setup for what is no regular expression."""
    pattern = None
    if expression is not None:
        try:
            pattern = re.compile(expression.encode(), re.DOTALL)
        except re.error as error:
            raise Setup(f"--key-regex: '{expression}' is not a regular expression: {error}") from error
    return Keys(None if exact is None else exact.encode(), pattern)


def _ending(text: str) -> bool:
    if text not in ("lf", "crlf"):
        raise Setup(f"Invalid value {text} for line.ending: it is lf or crlf")
    return text == "crlf"


def _name(raw: bytes, number: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Failure(f"The header key '{_shown(raw)}' on line number {number} is not UTF-8 text") from error


def _shown(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")
