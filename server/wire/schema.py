"""Descriptions of structs: the fields, their types, and how each lies on the wire.

A Struct describes one version of a message or a record. `server.wire.codec` compiles it. Structs of API messages
come from kio (`server.wire.api`); structs of records are declared with `parse`, in the words that Kafka's own
schemas print:

    parse("PartitionChangeRecord", "partition_id int32, topic_id uuid, <tags 0: isr compact []int32>", PartitionChange)

A struct that ends with `<tags ...>` is flexible (KIP-482). Two things such texts do not tell:

- an array is nullable, and a tagged field has a default, as the constructor's own default says (`isr: ... = None`);
- a nullable struct has a marker byte before it (KIP-893), so the text must say so: `endpoint nullable {host ...}`.

What a constructor is called with: every untagged field, and the tagged fields that were present. So the fields that
may be absent need defaults there.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from server.model.ids import ZERO_UUID

FORMATS = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "float64": "d",
    "uuid": "16s",
}
SIZES = {"?": 1, "b": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "d": 8, "16s": 16, "B": 1, "x": 1}
REQUIRED = inspect.Parameter.empty
VARIABLE = ("string", "bytes", "records")
ZEROS: dict[str, object] = {
    "bool": False,
    "float64": 0.0,
    "uuid": ZERO_UUID,
    "string": "",
    "bytes": b"",
    "records": None,
}
# The generated schema of an API's structs: for each field, in the order on the wire, its name, its type (a name of
# FORMATS or VARIABLE or another struct of the same module; "[]" before it for an array), the first and the last version
# that has it, the first version that lets it be null, its tag.
Rows = dict[str, tuple[tuple[str, str, int, int, int | None, int | None], ...]]


@dataclass(frozen=True, eq=False, slots=True)
class Field:
    """One field.

    type           a name of FORMATS or VARIABLE, or a Struct; of the elements where `array`
    nullable       of the array itself where `array`
    default        of a tagged field: the value that is left out when writing
    legacy         an int16 or int32 length although the struct is flexible (the client id of a request header)
    null_is_empty  write None as the type's zero: a newer version of this struct allows null, and this one does not
    """

    name: str
    type: "str | Struct"
    array: bool = False
    nullable: bool = False
    tag: int | None = None
    default: object = None
    legacy: bool = False
    null_is_empty: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Struct:
    """One version of a struct; `make` takes the fields by name. Compared by identity: codecs are cached by it."""

    name: str
    fields: tuple[Field, ...]
    flexible: bool
    make: Callable[..., Any]

    @property
    def plain(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.tag is None)

    @property
    def tagged(self) -> tuple[Field, ...]:
        """In the order of their tags, which is the order on the wire."""
        return tuple(sorted((f for f in self.fields if f.tag is not None), key=lambda f: f.tag or 0))


def least_bytes(struct: Struct) -> int:
    """The fewest bytes that a struct takes: what bounds the number of elements that a buffer can hold."""
    return int(struct.flexible) + sum(_least(struct, field) for field in struct.plain)


def element_bytes(struct: Struct, field: Field) -> int:
    """The fewest bytes that one element of an array field takes."""
    return _least(struct, dataclasses.replace(field, array=False, nullable=False))


def _least(struct: Struct, field: Field) -> int:
    compact = struct.flexible and not field.legacy
    if field.array:
        return 1 if compact else 4
    if isinstance(field.type, Struct):
        return 1 if field.nullable else least_bytes(field.type)
    if field.type in VARIABLE:
        return 1 if compact else 2 if field.type == "string" else 4
    return SIZES[FORMATS[field.type]]


_TOKEN = re.compile(r"\s*(\[\]|[<>{}:,]|\w+)")


def parse(
    name: str, text: str, make: Callable[..., Any], nested: Mapping[str, Callable[..., Any]] | None = None
) -> Struct:
    """Read the notation of Kafka's schemas (see the module's docstring).

    nested  the constructors of structs inside, by field name, or by dotted path where a name is not enough
    raises  ValueError: not that notation, or a field that its constructor does not take
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != "".join(text.split()):
        raise ValueError(f"{name}: unreadable characters in {text!r}")
    parser = _Parser(name, tokens, {} if nested is None else nested)
    struct = parser.struct(name, make, path="", end=None)
    if tokens:
        raise ValueError(f"{name}: {tokens[-1]!r} is left over")
    return struct


class _Parser:
    """A descent over the tokens, taken from the end of a reversed list."""

    def __init__(self, name: str, tokens: list[str], nested: Mapping[str, Callable[..., Any]]) -> None:
        tokens.reverse()
        self.name, self.tokens, self.nested = name, tokens, nested

    def peek(self) -> str | None:
        return self.tokens[-1] if self.tokens else None

    def take(self, *wanted: str) -> str:
        if not self.tokens or (wanted and self.tokens[-1] not in wanted):
            raise ValueError(f"{self.name}: {self.peek()!r} where {' or '.join(wanted) or 'a word'} should be")
        return self.tokens.pop()

    def struct(self, name: str, make: Callable[..., Any], path: str, end: str | None) -> Struct:
        fields: list[Field] = []
        compact: dict[str, bool] = {}
        defaults = defaults_of(make)
        flexible = False
        while self.peek() != end:
            if self.peek() == "<":
                fields += self.tags(path, defaults)
                flexible = True
                break
            fields.append(self.field(path, None, defaults, compact))
            if self.peek() != end:
                self.take(",")
        self.check(name, defaults, {field.name for field in fields})
        if not flexible and any(compact.values()):
            raise ValueError(f"{name}: compact fields in a struct without <tags>")
        legacy = {field for field, is_compact in compact.items() if flexible and not is_compact}
        return Struct(name, tuple(dataclasses.replace(f, legacy=f.name in legacy) for f in fields), flexible, make)

    def check(self, name: str, defaults: dict[str, object] | None, names: set[str]) -> None:
        if defaults is None:
            return
        if unknown := names - defaults.keys():
            raise ValueError(f"{name}: the constructor takes no {', '.join(sorted(unknown))}")
        if missing := {n for n, default in defaults.items() if default is REQUIRED} - names:
            raise ValueError(f"{name}: the constructor needs {', '.join(sorted(missing))}, which this version lacks")

    def tags(self, path: str, defaults: dict[str, object] | None) -> list[Field]:
        self.take("<")
        self.take("tags")
        fields: list[Field] = []
        while self.peek() != ">":
            if fields:
                self.take(",")
            tag = int(self.take())
            self.take(":")
            fields.append(self.field(path, tag, defaults, {}))
        self.take(">")
        return fields

    def field(self, path: str, tag: int | None, defaults: dict[str, object] | None, compact: dict[str, bool]) -> Field:
        """`name [compact] [nullable] [[]] [compact] type`; `compact` learns of fields with a length."""
        name = self.take()
        path = f"{path}.{name}" if path else name
        is_compact, nullable = self.words()
        array = self.peek() == "[]"
        if array:
            self.take()
            self.words()
        kind: str | Struct
        if self.peek() == "{":
            self.take()
            kind = self.struct(name, self.maker(path, name), path, "}")
            self.take("}")
        else:
            kind = {"boolean": "bool"}.get(word := self.take(), word)
            if kind not in FORMATS and kind not in VARIABLE:
                raise ValueError(f"{self.name}: {kind!r} of {path} is no type")
        if array or kind in VARIABLE:
            compact[name] = is_compact
        default = (defaults or {}).get(name, REQUIRED)
        if array and default is None:
            nullable = True
        if isinstance(kind, Struct) and not array and not nullable and default is None:
            raise ValueError(f"{self.name}: {path} is None by default, but is not said to be nullable")
        if default is REQUIRED:
            if tag is not None and defaults is not None:
                raise ValueError(f"{self.name}: {path} is tagged, so its constructor needs a default for it")
            default = None if nullable or tag is None else zero(kind, array)
        return Field(name, kind, array, nullable, tag, default)

    def words(self) -> tuple[bool, bool]:
        compact = nullable = False
        while self.peek() in ("compact", "nullable"):
            word = self.take()
            compact, nullable = compact or word == "compact", nullable or word == "nullable"
        return compact, nullable

    def maker(self, path: str, name: str) -> Callable[..., Any]:
        make = self.nested.get(path) or self.nested.get(name)
        if make is None:
            raise ValueError(f"{self.name}: no constructor for {path}")
        return make


def zero(kind: "str | Struct", array: bool) -> object:
    """The value of a field that nobody set and that has no default of its own."""
    if array:
        return ()
    return kind.make() if isinstance(kind, Struct) else ZEROS.get(kind, 0)


def defaults_of(make: Callable[..., Any]) -> dict[str, object] | None:
    """The default of each argument, REQUIRED where there is none; None where any name is taken."""
    if dataclasses.is_dataclass(make):
        return {field.name: _default(field) for field in dataclasses.fields(make)}
    parameters = inspect.signature(make).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return None
    return {name: parameter.default for name, parameter in parameters.items()}


def _default(field: "dataclasses.Field[Any]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED if field.default is dataclasses.MISSING else field.default
