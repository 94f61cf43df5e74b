"""Draws API messages for tests, and turns them into kio's: ours with one hand, kio's with the other."""

import io
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer

from server.wire.messages.index import APIS
from tests.support.kio_schema import Direction, KioField, fields_of, message_class

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DATE_MS = 4_102_444_800_000  # the year 2100; kio counts in floats, which lose milliseconds far out
ZERO = UUID(int=0)


def _numbers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int8": _numbers(-(2**7), 2**7 - 1),
    "int16": _numbers(-(2**15), 2**15 - 1),
    "uint16": _numbers(0, 2**16 - 1),
    "int32": _numbers(-(2**31), 2**31 - 1),
    "int64": _numbers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False),
    "uuid": st.one_of(st.just(ZERO), st.integers(1, 2**128 - 1).map(lambda n: UUID(int=n))),
    "string": st.text(st.sampled_from("az-é€😀"), max_size=40),
    "bytes": st.binary(max_size=200),
    "records": st.binary(max_size=200),
    "error_code": st.sampled_from([int(code) for code in ErrorCode]),
    "timedelta_i32": _numbers(-(2**31), 2**31 - 1),
    "timedelta_i64": _numbers(-(2**40), 2**40),
    "datetime_i64": _numbers(0, LAST_DATE_MS),
}


def our_class(api_key: int, name: str, direction: Direction) -> type[Any]:
    """The generated class of a struct; a name that means two things has its direction before it."""
    module = import_module(f"server.wire.messages.{APIS[api_key][0]}")
    prefixed = direction.name.capitalize() + name
    found: type[Any] = getattr(module, prefixed) if hasattr(module, prefixed) else getattr(module, name)
    return found


def draw_message(
    draw: Callable[[st.SearchStrategy[Any]], Any], api_key: int, direction: Direction, entity: type[Any]
) -> Any:
    """One of our messages, with a value in every field that kio's class of some version has."""
    values: dict[str, Any] = {}
    for field in fields_of(entity):
        if field.nullable and draw(st.booleans()):
            values[field.name] = None
        elif field.array:
            size = draw(st.integers(0, 2))
            values[field.name] = tuple(_one(draw, api_key, direction, field) for _ in range(size))
        else:
            values[field.name] = _one(draw, api_key, direction, field)
    return our_class(api_key, entity.__name__, direction)(**values)


def _one(draw: Callable[[st.SearchStrategy[Any]], Any], api_key: int, direction: Direction, field: KioField) -> Any:
    if field.entity is not None:
        return draw_message(draw, api_key, direction, field.entity)
    return draw(SCALARS[field.kafka_type])


def to_kio(message: Any, entity: type[Any]) -> Any:
    values = {}
    for field in fields_of(entity):
        value = getattr(message, field.name)
        if field.array and value is not None:
            values[field.attribute] = tuple(_to_kio(element, field) for element in value)
        else:
            values[field.attribute] = _to_kio(value, field)
    return entity(**values)


def _to_kio(value: Any, field: KioField) -> Any:
    if field.entity is not None:
        return None if value is None else to_kio(value, field.entity)
    match field.kafka_type:
        case "uuid":
            return None if value == ZERO else value
        case "error_code":
            return ErrorCode(value)
        case "timedelta_i32" | "timedelta_i64":
            return timedelta(milliseconds=value)
        case "datetime_i64":
            return EPOCH + timedelta(milliseconds=value)
    return value


def kio_bytes(message: Any, entity: type[Any]) -> bytes:
    out = io.BytesIO()
    entity_writer(entity)(out, to_kio(message, entity))
    return out.getvalue()


def kio_read(data: bytes, entity: type[Any]) -> Any:
    result, size = entity_reader(entity)(data, 0)
    assert size == len(data)
    return result


def as_version(message: Any, api_key: int, direction: Direction, entity: type[Any]) -> Any:
    """What is left of a newest-version message after a trip in an older version."""
    known = {field.name: field for field in fields_of(entity)}
    ours = type(message)
    values = {}
    for field in fields(ours):
        if (old := known.get(field.name)) is None:
            continue
        value = getattr(message, field.name)
        if value is None and not old.nullable:
            value = () if old.array else ""
        elif old.entity is not None and value is not None:
            inner = old.entity
            rows = tuple(as_version(row, api_key, direction, inner) for row in (value if old.array else (value,)))
            value = rows if old.array else rows[0]
        values[field.name] = value
    return ours(**values)


def newest(api_key: int, direction: Direction) -> type[Any]:
    name, _, _, last, _ = APIS[api_key]
    return message_class(name, last, direction)
