"""What values a setting takes, and the sentences that refuse the rest.

Each validator is a value whose `str` is how the documentation shows it.
"""

import re
from dataclasses import dataclass

from server.model.settings.kinds import Value, java_double, sentence


@dataclass(frozen=True, slots=True)
class Range:
    """A number with both ends inclusive."""

    least: int | float
    most: int | float | None = None

    def refusal(self, name: str, value: Value) -> str | None:
        if not isinstance(value, int | float):
            return sentence(name, value, "Value must be non-null")
        if not value >= self.least:
            return sentence(name, value, f"Value must be at least {_number(self.least)}")
        if self.most is not None and value > self.most:
            return sentence(name, value, f"Value must be no more than {_number(self.most)}")
        return None

    def __str__(self) -> str:
        return f"[{_number(self.least)},...{'' if self.most is None else f',{_number(self.most)}'}]"


@dataclass(frozen=True, slots=True)
class GzipLevel:
    """1 to 9, or -1 for the library's own default."""

    def refusal(self, name: str, value: Value) -> str | None:
        if not isinstance(value, int):
            return sentence(name, value, "Value must be non-null")
        fits = value == -1 or 1 <= value <= 9
        return None if fits else sentence(name, value, "Value must be between 1 and 9 or equal to -1")

    def __str__(self) -> str:
        return "[1,...,9] or -1"


class OneOf:
    """One of these words; `any_case` takes them in capitals and small letters alike."""

    __slots__ = ("any_case", "words")

    def __init__(self, *words: str, any_case: bool = False) -> None:
        self.words, self.any_case = words, any_case

    def refusal(self, name: str, value: Value) -> str | None:
        word = value.upper() if self.any_case and isinstance(value, str) else value
        if word in self.words:
            return None
        hint = " (case insensitive)" if self.any_case else ""
        return sentence(name, value, f"String must be one of{hint}: {', '.join(self.words)}")

    def __str__(self) -> str:
        return f"{'(case insensitive) ' if self.any_case else ''}[{', '.join(self.words)}]"


class EachOf:
    """A list without repeats and without empty parts: of these words, or of any where none are named."""

    __slots__ = ("may_be_empty", "may_be_null", "words")

    def __init__(self, *words: str, may_be_empty: bool = True, may_be_null: bool = False) -> None:
        self.words, self.may_be_empty, self.may_be_null = words, may_be_empty, may_be_null

    def refusal(self, name: str, value: Value) -> str | None:
        if not isinstance(value, tuple):
            return None if self.may_be_null else f"Configuration '{name}' values must not be null."
        if not value and not self.may_be_empty:
            words = f"[{', '.join(self.words)}]" if self.words else "any non-empty value"
            return f"Configuration '{name}' must not be empty. Valid values include: {words}"
        if len(set(value)) < len(value):
            return f"Configuration '{name}' values must not be duplicated."
        for word in value:
            if not word:
                return f"Configuration '{name}' values must not be empty."
            if self.words and word not in self.words:
                return sentence(name, word, f"String must be one of: {', '.join(self.words)}")
        return None

    def __str__(self) -> str:
        return f"[{', '.join(self.words)}]" if self.words else ""


class NonEmpty:
    """Null, or at least one character."""

    __slots__ = ()

    def refusal(self, name: str, value: Value) -> str | None:
        return sentence(name, value, "String must be non-empty") if value == "" else None

    def __str__(self) -> str:
        return "non-empty string"


class NonNull:
    """Any text, but a text."""

    __slots__ = ()

    def refusal(self, name: str, value: Value) -> str | None:
        return sentence(name, value, "entry must be non null") if value is None else None

    def __str__(self) -> str:
        return "non-null string"


class DurationOr:
    """One of these words, or how long ago: `by_duration:PT1H` (ISO 8601, not negative)."""

    __slots__ = ("words",)

    def __init__(self, *words: str) -> None:
        self.words = words

    def refusal(self, name: str, value: Value) -> str | None:
        if isinstance(value, str) and (value.lower() in self.words or _DURATION.fullmatch(value)):
            return None
        shown = "null" if value is None else value
        return sentence(
            name,
            value,
            f"Invalid value `{shown}` for configuration {name}. The value must be either 'earliest', 'latest' or of "
            "the format 'by_duration:<PnDTnHnMn.nS>'.",
        )

    def __str__(self) -> str:
        return f"[{', '.join(self.words)}, by_duration:PnDTnHnMn.nS]"


_DURATION = re.compile(
    r"by_duration:P(?=.)([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]{1,9})?S)?)?", re.ASCII | re.IGNORECASE
)


class ThrottledReplicas:
    """`*`, or pairs of partition and broker (KIP-73)."""

    __slots__ = ()

    def refusal(self, name: str, value: Value) -> str | None:
        pairs = value if isinstance(value, tuple) else ("",)
        if pairs == ("*",) or all(_PAIR.fullmatch(pair) for pair in pairs):
            return None
        return sentence(
            name, value, f"{name} must be the literal '*' or a list of replicas in the following format: {self}"
        )

    def __str__(self) -> str:
        return "[partitionId]:[brokerId],[partitionId]:[brokerId],..."


class Addresses:
    """Any number of `host:port`."""

    __slots__ = ()

    def refusal(self, name: str, value: Value) -> str | None:
        if not isinstance(value, tuple):
            return f"Invalid value null for configuration {name}"
        bad = next((text for text in value if host_and_port(text) is None), None)
        if bad is None:
            return None
        return (
            f"Failed to parse host name from {bad} for the configuration {name}. "
            'Each entry should be in the form "{host}:{port}"'
        )

    def __str__(self) -> str:
        return "non-empty list"


class Voters:
    """Any number of `id@host:port`."""

    __slots__ = ()

    def refusal(self, name: str, value: Value) -> str | None:
        if not isinstance(value, tuple):
            return f"Invalid value null for configuration {name}"
        for text in value:
            voter, at, address = text.partition("@")
            if not at or not voter.isdecimal() or host_and_port(address) is None:
                return (
                    f"Invalid configuration value for {name}. "
                    "Each entry should be in the form `{id}@{host}:{port}`."
                )  # fmt: skip
            if address.startswith("0.0.0.0:"):
                return "Host string (0.0.0.0) is not routeable"
        return None

    def __str__(self) -> str:
        return "non-empty list"


def host_and_port(text: str) -> tuple[str, int] | None:
    """Read `host:port` or `[v6 address]:port`; None where it is neither."""
    found = _ADDRESS.fullmatch(text)
    return None if found is None or int(found[2]) > 65535 else (found[1].strip("[]"), int(found[2]))


_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[0-9a-zA-Z\-%._]+):([0-9]{1,5})", re.ASCII)
_PAIR = re.compile(r"[0-9]+:[0-9]+", re.ASCII)


def _number(value: int | float) -> str:
    return java_double(value) if isinstance(value, float) else str(value)


AT_LEAST_0, AT_LEAST_1 = Range(0), Range(1)
