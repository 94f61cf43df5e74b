"""The bytes of coordinator records: a key is its type's number and its fields, a value is its version and its fields.

    TYPES = RecordTypes(RecordType(1, OffsetCommitKey, "group string ...", OffsetCommitValue, {3: "offset int64"}, 3))
    entry = TYPES.entry(OffsetCommitKey("g", "t", 0), OffsetCommitValue(7, ...))
    key, value = TYPES.read(entry)

The texts are the schemas as Kafka prints them (see server/wire/schema.py).
Source: KIP-98, KIP-848, KIP-915 (tagged fields in values).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from struct import Struct as Layout
from typing import Any

from server.model.coordination import Entry
from server.wire.codec import Decoder, Encoder, Malformed, decoder, encoder
from server.wire.schema import parse

_NUMBER = Layout(">h")
Makers = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True, eq=False)
class RecordType:
    """One type of record.

    number    the key's version; older types may share key and value classes
    values    schema texts of the value by version
    written   the version that values are written in
    nested    the constructors of structs inside the value, by field name
    """

    number: int
    key: type
    key_text: str
    value: type
    values: Mapping[int, str]
    written: int
    nested: Makers = field(default_factory=dict)


class RecordTypes:
    def __init__(self, *types: RecordType) -> None:
        self._by_number = {each.number: each for each in types}
        # The last one that is named with a key's class is what is written.
        self._by_key = {each.key: each for each in types}

    def entry(self, key: Any, value: Any | None, version: int | None = None) -> Entry:
        """Encode a record; a value of None makes its tombstone. version: of the value, where not the usual one."""
        kind = self._by_key[type(key)]
        out = bytearray(_NUMBER.pack(kind.number))
        _key(kind)[0](key, out)
        if value is None:
            return Entry(bytes(out), None)
        version = kind.written if version is None else version
        body = bytearray(_NUMBER.pack(version))
        _value(kind, version)[0](value, body)
        return Entry(bytes(out), bytes(body))

    def read(self, entry: Entry) -> tuple[Any, Any | None] | None:
        """Decode a record: key, and value or None for a tombstone. None: a type that this version does not know.

        Raises Malformed: too short, an unknown version of a value, bytes that are no fields.
        """
        if len(entry.key) < _NUMBER.size:
            raise Malformed(f"a coordinator record has a key of {len(entry.key)} bytes")
        kind = self._by_number.get(_NUMBER.unpack_from(entry.key)[0])
        if kind is None:
            return None
        key, _ = _key(kind)[1](entry.key, _NUMBER.size)
        if entry.value is None:
            return key, None
        if len(entry.value) < _NUMBER.size:
            raise Malformed(f"a coordinator record has a value of {len(entry.value)} bytes")
        (version,) = _NUMBER.unpack_from(entry.value)
        if version not in kind.values:
            raise Malformed(f"{kind.value.__name__} has the unknown version {version}")
        value, _ = _value(kind, version)[1](entry.value, _NUMBER.size)
        return key, value


@cache
def _key(kind: RecordType) -> tuple[Encoder, Decoder]:
    struct = parse(kind.key.__name__, kind.key_text, kind.key)
    return encoder(struct), decoder(struct)


@cache
def _value(kind: RecordType, version: int) -> tuple[Encoder, Decoder]:
    struct = parse(kind.value.__name__, kind.values[version], kind.value, kind.nested)
    return encoder(struct), decoder(struct)
