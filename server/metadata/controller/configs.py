"""What the active controller decides about settings: of topics, brokers, all brokers, groups and client metrics.

A resource's change is checked as a whole, with all its other settings, and made whole or not at all. While the cluster
keeps eligible leader replicas, changing min.insync.replicas forgets them: what "eligible" means has changed.
Log levels of brokers are no metadata, and not decided here.

Source: KIP-226 (brokers), KIP-339 (incremental), KIP-133 (legacy), KIP-966 (min.insync.replicas); the words of refusals
are Kafka's.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import TypeVar

from server.metadata import settings
from server.metadata.controller.decision import Decision
from server.metadata.delta import applied
from server.metadata.image import Image
from server.metadata.records import ClearElrRecord, ConfigRecord, Record
from server.model import topic_names
from server.model.errors import ErrorCode, Rejected
from server.model.features import ELR_VERSION
from server.model.settings import group, topic
from server.model.settings.broker import BROKER, DYNAMIC
from server.model.settings.kinds import REQUIRED, Mode, ResourceType, Setting, Type, parse, text_of
from server.wire.messages import alter_configs, incremental_alter_configs

MAX_VALUE_BYTES = 32_767
MIN_INSYNC = "min.insync.replicas"
CLUSTER = ""

# New values by name; None goes back to the default.
Changes = Mapping[str, str | None]

_THREADS = (
    "background.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
)


class Operation(IntEnum):
    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


def alter(
    image: Image, static: settings.Static, request: incremental_alter_configs.IncrementalAlterConfigsRequest
) -> Decision[incremental_alter_configs.IncrementalAlterConfigsResponse]:
    """Change single keys of resources.

    Row errors: BROKER_ID_NOT_REGISTERED, INVALID_CONFIG, INVALID_REQUEST, INVALID_TOPIC_EXCEPTION,
    UNKNOWN_TOPIC_OR_PARTITION.
    """

    def changes(resource: incremental_alter_configs.AlterConfigsResource) -> Changes:
        return _operated(image, static, resource)

    records, refused = _each(image, static, request.resources, changes)
    rows = [
        incremental_alter_configs.AlterConfigsResourceResponse(code, message, each.resource_type, each.resource_name)
        for each, (code, message) in zip(request.resources, refused, strict=True)
    ]
    response = incremental_alter_configs.IncrementalAlterConfigsResponse(responses=rows)
    return Decision(() if request.validate_only else records, response)


def replace(
    image: Image, static: settings.Static, request: alter_configs.AlterConfigsRequest
) -> Decision[alter_configs.AlterConfigsResponse]:
    """Set all keys of resources; what the request leaves out goes back to its default. Row errors: as alter()."""

    def changes(resource: alter_configs.AlterConfigsResource) -> Changes:
        wanted = {row.name: row.value for row in resource.configs}
        _refuse_nulls(name for name, value in wanted.items() if value is None)
        kept = {MIN_INSYNC} if _keeps_elr(image) and resource.resource_name == CLUSTER else set()
        before = image.config(resource.resource_type, resource.resource_name).keys() - kept
        return {**dict.fromkeys(sorted(before)), **wanted}

    records, refused = _each(image, static, request.resources, changes)
    rows = [
        alter_configs.AlterConfigsResourceResponse(code, message, each.resource_type, each.resource_name)
        for each, (code, message) in zip(request.resources, refused, strict=True)
    ]
    return Decision(() if request.validate_only else records, alter_configs.AlterConfigsResponse(responses=rows))


Resource = TypeVar("Resource", alter_configs.AlterConfigsResource, incremental_alter_configs.AlterConfigsResource)


def _each(
    image: Image,
    static: settings.Static,
    resources: Sequence[Resource],
    changes: Callable[[Resource], Changes],
) -> tuple[tuple[Record, ...], list[tuple[int, str | None]]]:
    """The records of all resources that can be changed, and the (error code, message) of each."""
    records: list[Record] = []
    refused: list[tuple[int, str | None]] = []
    times = Counter((each.resource_type, each.resource_name) for each in resources)
    for each in resources:
        try:
            if times[each.resource_type, each.resource_name] > 1:
                raise Rejected(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
            if len({row.name for row in each.configs}) < len(each.configs):
                raise Rejected(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
            made = _changed(image, static, each.resource_type, each.resource_name, changes(each))
        except Rejected as reason:
            refused.append((reason.code, reason.message))
            continue
        records += made
        image = applied(image, made)
        refused.append((ErrorCode.NONE, None))
    return tuple(records), refused


def _refuse_nulls(names: Iterator[str]) -> None:
    found = ",".join(names)
    if found:
        raise Rejected(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {found}")


def _operated(
    image: Image, static: settings.Static, resource: incremental_alter_configs.AlterConfigsResource
) -> Changes:
    """The new values after set, delete, append and subtract."""
    _refuse_nulls(
        row.name for row in resource.configs if row.value is None and row.config_operation != Operation.DELETE
    )
    before = image.config(resource.resource_type, resource.resource_name)
    changes: dict[str, str | None] = {}
    for row in resource.configs:
        match row.config_operation:
            case Operation.SET:
                changes[row.name] = row.value
            case Operation.DELETE:
                changes[row.name] = None
            case Operation.APPEND | Operation.SUBTRACT:
                parts = _parts(image, static, resource.resource_type, row.name, before, row.config_operation)
                given = [part.strip() for part in (row.value or "").split(",")]
                if row.config_operation == Operation.APPEND:
                    parts += [part for part in given if part not in parts]
                else:
                    parts = [part for part in parts if part not in given]
                changes[row.name] = ",".join(parts)
            case _:
                raise Rejected(ErrorCode.INVALID_REQUEST, f"Unknown operations type {row.config_operation}")
    return changes


def _parts(
    image: Image, static: settings.Static, resource_type: int, name: str, before: Mapping[str, str], operation: int
) -> list[str]:
    """The elements of a list setting as it is; its default where it was never set."""
    setting = _setting(resource_type, name)
    if setting is None or setting.type is not Type.LIST:
        verb = Operation(operation).name
        raise Rejected(ErrorCode.INVALID_CONFIG, f"Can't {verb} to key {name} because its type is not LIST.")
    text = before.get(name)
    if text is None and resource_type == ResourceType.BROKER:
        text = next((value for _, value in settings.broker_settings(image, static).layers(name)), None)
    if text is None and setting.default is not REQUIRED:
        text = text_of(setting.default)
    return [part.strip() for part in text.split(",")] if text else []


def _setting(resource_type: int, name: str) -> Setting | None:
    tables = {
        ResourceType.TOPIC: topic.TOPIC,
        ResourceType.BROKER: DYNAMIC,
        ResourceType.GROUP: group.GROUP,
        ResourceType.CLIENT_METRICS: group.CLIENT_METRICS,
    }
    found = tables.get(ResourceType(resource_type)) if resource_type in tables else None
    return None if found is None else found.get(name)


def _changed(image: Image, static: settings.Static, kind: int, name: str, changes: Changes) -> tuple[Record, ...]:
    """The records of one resource's change. Raises Rejected."""
    _check_resource(image, kind, name)
    _check_elr(image, kind, name, changes)
    before = image.config(kind, name)
    after = {key: value for key, value in {**before, **changes}.items() if value is not None}
    _check_values(image, static, kind, name, after, changes)
    return tuple(_records(image, kind, name, before, changes))


def topic_records(image: Image, static: settings.Static, name: str, overrides: Changes) -> tuple[Record, ...]:
    """The records of a new topic's settings. Raises Rejected(INVALID_CONFIG)."""
    given = {key: value for key, value in overrides.items() if value is not None}
    _check_values(image, static, ResourceType.TOPIC, name, given, overrides)
    return tuple(_records(image, ResourceType.TOPIC, name, {}, overrides))


def _records(image: Image, kind: int, name: str, before: Mapping[str, str], changes: Changes) -> Iterator[Record]:
    changed = False
    for key, value in changes.items():
        # A broker's unchanged setting is written as well: that makes it read its key stores anew (KIP-226).
        if before.get(key) != value or (kind == ResourceType.BROKER and value is not None):
            yield ConfigRecord(kind, name, key, value)
            changed = changed or key == MIN_INSYNC
    if (
        changed
        and _keeps_elr(image)
        and (kind == ResourceType.TOPIC or (kind == ResourceType.BROKER and name == CLUSTER))
    ):
        yield ClearElrRecord(name)


def _keeps_elr(image: Image) -> bool:
    return image.feature(ELR_VERSION) > 0


def _check_elr(image: Image, kind: int, name: str, changes: Changes) -> None:
    if kind != ResourceType.BROKER or MIN_INSYNC not in changes or not _keeps_elr(image):
        return
    if name != CLUSTER:
        raise Rejected(
            ErrorCode.INVALID_CONFIG, "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
        )
    if changes[MIN_INSYNC] is None:
        raise Rejected(
            ErrorCode.INVALID_CONFIG, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."
        )


def _check_resource(image: Image, kind: int, name: str) -> None:
    """Whether the resource can have settings, and is there. Raises Rejected."""
    match kind:
        case ResourceType.TOPIC:
            if not name:
                raise Rejected(ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed.")
            if name not in image.topics:
                topic_names.check(name)
                raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
        case ResourceType.BROKER:
            if name:
                _check_node(image, name)
        case ResourceType.GROUP:
            if not name:
                raise Rejected(ErrorCode.INVALID_REQUEST, "Default group resources are not allowed.")
        case ResourceType.CLIENT_METRICS:
            if not name:
                raise Rejected(ErrorCode.INVALID_REQUEST, "Subscription name can't be empty")
        case _:
            raise Rejected(ErrorCode.INVALID_REQUEST, f"Unknown resource type {kind}")


def _check_node(image: Image, name: str) -> None:
    try:
        node = int(name)
    except ValueError:
        raise Rejected(ErrorCode.INVALID_REQUEST, f"Node id must be an integer, but it is: {name}") from None
    if node not in image.brokers and node not in image.controllers:
        raise Rejected(ErrorCode.BROKER_ID_NOT_REGISTERED, f"No node with id {name} found.")


def _check_values(
    image: Image, static: settings.Static, kind: int, name: str, after: dict[str, str], changes: Changes
) -> None:
    """Whether all settings of a resource can hold together after the change. Raises Rejected."""
    if any(value is not None and len(value.encode()) > MAX_VALUE_BYTES for value in changes.values()):
        raise Rejected(
            ErrorCode.INVALID_CONFIG,
            f"The configuration value cannot be added because it exceeds the maximum value size of {MAX_VALUE_BYTES} "
            "bytes.",
        )
    match kind:
        case ResourceType.TOPIC:
            topic.check(after)
        case ResourceType.GROUP:
            group.check_group(after, _bounds(image, static))
        case ResourceType.CLIENT_METRICS:
            group.check_client_metrics(after)
        case _:
            _check_broker(image, static, name, after, changes)


def _bounds(image: Image, static: settings.Static) -> dict[str, int]:
    """The broker's limits for groups' own settings."""
    broker = settings.broker_settings(image, static)
    names = (name for name in BROKER if name.startswith("group.") and (".min." in name or ".max." in name))
    values = {name: broker.value(name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, int)}


def _check_broker(image: Image, static: settings.Static, name: str, after: dict[str, str], changes: Changes) -> None:
    given = [key for key in after if changes.get(key) is not None]
    fixed = [key for key in given if (found := DYNAMIC.get(key)) and found.mode is Mode.READ_ONLY]
    if fixed:
        raise Rejected(ErrorCode.INVALID_REQUEST, f"Cannot update these configs dynamically: [{', '.join(fixed)}]")
    own = [key for key in given if (found := DYNAMIC.get(key)) and found.mode is Mode.PER_BROKER]
    if own and name == CLUSTER:
        raise Rejected(
            ErrorCode.INVALID_REQUEST,
            f"Cannot update these configs at default cluster level, broker id must be specified: [{', '.join(own)}]",
        )
    broker = settings.broker_settings(image, static, int(name) if name else None)
    for key in given:
        setting = DYNAMIC.get(key)
        if setting is None:
            continue
        try:
            value = parse(setting, after[key])
        except Rejected as refused:
            raise Rejected(ErrorCode.INVALID_REQUEST, refused.message) from None
        if key in _THREADS and isinstance(value, int):
            _check_threads(key, value, broker.value(key))


def _check_threads(name: str, value: int, now: object) -> None:
    """A pool changes by steps: to no less than half, and no more than double of what it is."""
    assert isinstance(now, int)
    complaint = None
    if value < 1:
        complaint = "value should be at least 1"
    elif value < now // 2:
        complaint = f"value should be at least half the current value {now}"
    elif value > now * 2:
        complaint = f"value should not be greater than double the current value {now}"
    if complaint:
        raise Rejected(
            ErrorCode.INVALID_REQUEST, f"Dynamic thread count update validation failed for {name}={value}, {complaint}"
        )
