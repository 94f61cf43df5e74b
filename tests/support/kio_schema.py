"""Reads kio's schema classes: one dataclass per struct, message and version, generated from Kafka's own JSON.

The generator of `server/wire/messages` and the tests of the codecs both stand on this: kio says what a message is.
"""

import importlib
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal, get_origin
from uuid import UUID

from kio.schema.index import api_key_map, schema_name_map
from kio.serial._introspect import classify_field, is_optional
from kio.static.constants import EntityType

MILLISECOND = timedelta(milliseconds=1)
Direction = Literal[EntityType.request, EntityType.response]
DIRECTIONS: tuple[Direction, Direction] = (EntityType.request, EntityType.response)
# Arrays of structs that are null by default in Kafka's schema. kio drops the default of such arrays.
NULL_BY_DEFAULT = {
    ("ConsumerGroupHeartbeatRequest", "topic_partitions"),
    ("ListPartitionReassignmentsRequest", "topics"),
    ("StreamsGroupHeartbeatRequest", "active_tasks"),
    ("StreamsGroupHeartbeatRequest", "client_tags"),
    ("StreamsGroupHeartbeatRequest", "standby_tasks"),
    ("StreamsGroupHeartbeatRequest", "task_end_offsets"),
    ("StreamsGroupHeartbeatRequest", "task_offsets"),
    ("StreamsGroupHeartbeatRequest", "warmup_tasks"),
    ("StreamsGroupHeartbeatResponse", "active_tasks"),
    ("StreamsGroupHeartbeatResponse", "partitions_by_user_endpoint"),
    ("StreamsGroupHeartbeatResponse", "standby_tasks"),
    ("StreamsGroupHeartbeatResponse", "warmup_tasks"),
}


@dataclass(frozen=True)
class KioField:
    """One field of one version, in the words of the wire; `attribute` is kio's own name for it."""

    name: str
    attribute: str
    kind: str
    kafka_type: str
    entity: type[Any] | None
    array: bool
    nullable: bool
    tag: int | None
    default: object  # MISSING where the schema has none


def apis() -> dict[int, str]:
    return {int(key): name for key, name in api_key_map.items()}


def versions(api: str) -> list[int]:
    return sorted(int(version) for version in schema_name_map[api])


def message_class(api: str, version: int, direction: Direction) -> type[Any]:
    module, name = schema_name_map[api][version][direction].split(":")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def kafka_name(name: str, kafka_type: str) -> str:
    """Kafka's own name, snake-cased. kio cuts the unit off durations and times, keeps off `id`, and splits KRaft."""
    name = name.rstrip("_")
    if kafka_type.startswith(("timedelta", "datetime")):
        name += "_ms"
    return name.replace("k_raft", "kraft")


def fields_of(entity: type[Any]) -> Iterator[KioField]:
    for field in fields(entity):
        shape: Any = classify_field(field)
        inner = shape.type_ if "Entity" in type(shape).__name__ else None
        kafka_type = str(field.metadata.get("kafka_type", ""))
        yield KioField(
            name=kafka_name(field.name, kafka_type),
            attribute=field.name,
            kind=inner.__name__ if inner else wire_type(kafka_type),
            kafka_type=kafka_type,
            entity=inner,
            array=shape.is_array,
            nullable=_nullable(field, kafka_type, shape.is_array),
            tag=field.metadata.get("tag"),
            default=None if (entity.__name__, field.name) in NULL_BY_DEFAULT else plain(field),
        )


def _nullable(field: "Field[Any]", kafka_type: str, array: bool) -> bool:
    """kio has None for a zero id and for time -1 too, which are no nulls on the wire."""
    if array:
        return get_origin(field.type) is not tuple
    return kafka_type not in ("uuid", "datetime_i64") and is_optional(field)


def wire_type(kafka_type: str) -> str:
    named = {"error_code": "int16", "timedelta_i32": "int32", "timedelta_i64": "int64", "datetime_i64": "int64"}
    return named.get(kafka_type, kafka_type)


def plain(field: "Field[Any]") -> object:
    """A schema default as the plain value that our messages carry."""
    value = field.default
    array = classify_field(field).is_array
    match value:
        case None if field.metadata.get("kafka_type") == "uuid" and not array:
            return UUID(int=0)
        case None if field.metadata.get("kafka_type") == "datetime_i64" and not array:
            return -1
        case timedelta():
            return value // MILLISECOND
        case datetime():
            return round(value.timestamp() * 1000)
        case bool() | None | UUID():
            return value
        case int():
            return int(value)
        case str():
            return str(value)
        case float() | bytes() | ():
            return value
    return MISSING
