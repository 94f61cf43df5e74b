"""What a setting is, and how its text is read and written.

The rules and the words of refusals are those of Kafka's ConfigDef, so that a user sees the same sentence from kcli,
from our broker and from Kafka's. Imports little: kcli checks topic settings with it before it opens a socket.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Final, Protocol

from server.model.errors import ErrorCode, Rejected

INT_MAX = (1 << 31) - 1
LONG_MAX = (1 << 63) - 1
DOUBLE_MAX = 1.7976931348623157e308


class ResourceType(IntEnum):
    """What a config belongs to, as numbered in requests and in metadata records."""

    UNKNOWN = 0
    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class Type(IntEnum):
    """The type of a setting's value, as numbered in DescribeConfigs."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class Mode(StrEnum):
    """Whether a broker setting can change while the broker runs: never, for one broker, for one or for all."""

    READ_ONLY = "read-only"
    PER_BROKER = "per-broker"
    CLUSTER_WIDE = "cluster-wide"


class _Missing(Enum):
    REQUIRED = "required"


REQUIRED: Final = _Missing.REQUIRED
Value = bool | int | float | str | tuple[str, ...] | None


class Validator(Protocol):
    def refusal(self, name: str, value: Value) -> str | None:
        """What is wrong with this setting's value, as a whole sentence in Kafka's words; None where nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    default   what holds where nothing is set; REQUIRED where there is no such value
    honoured  whether this broker acts on it; the others are accepted and reported
    synonyms  of a topic setting: the broker settings that give its default, first one first, each with the factor
              that brings it to the topic setting's unit
    """

    name: str
    type: Type
    default: Value | _Missing
    doc: str
    valid: Validator | None = None
    importance: str = "medium"
    mode: Mode = Mode.READ_ONLY
    honoured: bool = False
    synonyms: tuple[tuple[str, int], ...] = ()

    @property
    def sensitive(self) -> bool:
        return self.type is Type.PASSWORD


Table = Mapping[str, Setting]


def table(*groups: Iterable[Setting]) -> Table:
    """Settings by name, in the order of their names. Asserts that no name is given twice."""
    rows = sorted((setting for group in groups for setting in group), key=lambda setting: setting.name)
    named = {setting.name: setting for setting in rows}
    assert len(named) == len(rows), "a setting is declared twice"
    return named


def parse(setting: Setting, text: str | None) -> Value:
    """Read a value and check it; None stands for "no value", which some settings allow.

    Raises Rejected(INVALID_CONFIG, "Invalid value abc for configuration retention.ms: Not a number of type LONG").
    """
    value = None if text is None else _read(setting, text)
    refusal = None if setting.valid is None else setting.valid.refusal(setting.name, value)
    if refusal is not None:
        raise Rejected(ErrorCode.INVALID_CONFIG, refusal)
    return value


def sentence(name: str, value: Value, complaint: str) -> str:
    """The usual refusal."""
    return f"Invalid value {_shown(value)} for configuration {name}: {complaint}"


def _unreadable(name: str, text: str, complaint: str) -> Rejected:
    return Rejected(ErrorCode.INVALID_CONFIG, sentence(name, text, complaint))


def text_of(value: Value) -> str | None:
    """A value as Kafka prints it; parse() reads it back."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    return java_double(value) if isinstance(value, float) else str(value)


def _shown(value: Value) -> str:
    """A value as it appears in a refusal."""
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return "null" if value is None else text_of(value) or ""


def java_double(value: float) -> str:
    """A double in Java's words: 0.5, 100.0, 2.048E7, 1.0E-5."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).strip("0")
    shift = len(whole) - 1 if whole != "0" else len(fraction.lstrip("0")) - len(fraction) - 1
    return f"{'-' if value < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{int(exponent or 0) + shift}"


_BITS = {Type.SHORT: 15, Type.INT: 31, Type.LONG: 63}
_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(NaN|Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fFdD]?)", re.ASCII)


def _read(setting: Setting, text: str) -> Value:
    trimmed = text.strip()
    match setting.type:
        case Type.BOOLEAN:
            if trimmed.lower() not in ("true", "false"):
                raise _unreadable(setting.name, text, "Expected value to be either true or false")
            return trimmed.lower() == "true"
        case Type.SHORT | Type.INT | Type.LONG:
            bits = _BITS[setting.type]
            if not _WHOLE.fullmatch(trimmed) or not -(1 << bits) <= (number := int(trimmed)) < 1 << bits:
                raise _unreadable(setting.name, text, f"Not a number of type {setting.type.name}")
            return number
        case Type.DOUBLE:
            if not _DOUBLE.fullmatch(trimmed):
                raise _unreadable(setting.name, text, f"Not a number of type {setting.type.name}")
            return float(trimmed.rstrip("fFdD"))
        case Type.LIST:
            return tuple(part.strip() for part in trimmed.split(",")) if trimmed else ()
        case _:
            return trimmed
