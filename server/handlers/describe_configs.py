"""DescribeConfigs (key 32): every setting of topics, brokers, groups and client metrics, and where its value is from.

Errors, each resource its own: INVALID_REQUEST, INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-133, KIP-226 (v1: synonyms), KIP-569 (v3: types, documentation), KIP-714 (client metrics).
"""

from functools import cached_property

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata import describe
from server.metadata.describe import Entry
from server.metadata.settings import broker_settings
from server.model import topic_names
from server.model.errors import ErrorCode, Rejected
from server.model.settings.kinds import ResourceType
from server.model.settings.order import rank
from server.wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

CLUSTER = ""


def handle(broker: Broker, ctx: Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    question = _Question(broker, request)
    return DescribeConfigsResponse(results=[question.result(resource) for resource in request.resources])


class _Question:
    """One request. It may name thousands of topics, most of which set little: what they share is worked out once."""

    def __init__(self, broker: Broker, request: DescribeConfigsRequest) -> None:
        self._broker, self._request = broker, request

    @cached_property
    def _defaults(self) -> list[Entry]:
        return sorted(describe.topic_defaults(self._broker.settings), key=lambda entry: rank(entry.name))

    @cached_property
    def _default_rows(self) -> dict[int, DescribeConfigsResourceResult]:
        """By the entry's identity: while the defaults live, no other entry has it."""
        return {id(entry): _row(self._request, entry) for entry in self._defaults}

    def result(self, resource: DescribeConfigsResource) -> DescribeConfigsResult:
        try:
            entries = describe.only(self._entries(resource), resource.configuration_keys or None)
        except Rejected as e:
            return DescribeConfigsResult(e.code, e.message, resource.resource_type, resource.resource_name)
        shared = self._default_rows
        rows = [shared.get(id(entry)) or _row(self._request, entry) for entry in entries]
        return DescribeConfigsResult(ErrorCode.NONE, None, resource.resource_type, resource.resource_name, rows)

    def _entries(self, resource: DescribeConfigsResource) -> list[Entry]:
        broker, name = self._broker, resource.resource_name
        image = broker.image
        match resource.resource_type:
            case ResourceType.TOPIC:
                topic_names.check(name)
                if name not in image.topics:
                    raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                return describe.overridden(self._defaults, image.config(ResourceType.TOPIC, name))
            case ResourceType.BROKER if name == CLUSTER:
                return describe.cluster(broker_settings(image, broker.config.static))
            case ResourceType.BROKER:
                _check_broker(broker, name)
                return describe.broker(broker.settings)
            case ResourceType.GROUP if name:
                return describe.group(image, broker.settings, name)
            case ResourceType.CLIENT_METRICS if name:
                return describe.client_metrics(image, name)
        raise Rejected(
            ErrorCode.INVALID_REQUEST, f"Unsupported resource type {resource.resource_type} or empty name '{name}'"
        )


def _check_broker(broker: Broker, name: str) -> None:
    """A broker tells its own settings only: the file that it was started with is nobody else's. Raises Rejected."""
    try:
        wanted = int(name)
    except ValueError:
        raise Rejected(ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {name}") from None
    if wanted != broker.node_id:
        raise Rejected(
            ErrorCode.INVALID_REQUEST,
            f"Unexpected broker id, expected {broker.node_id} or empty string, but received {name}",
        )


def _row(request: DescribeConfigsRequest, entry: Entry) -> DescribeConfigsResourceResult:
    synonyms = entry.synonyms if request.include_synonyms else ()
    return DescribeConfigsResourceResult(
        entry.name,
        entry.value,
        entry.read_only,
        entry.source,
        entry.sensitive,
        [DescribeConfigsSynonym(*synonym) for synonym in synonyms],
        entry.type,
        entry.documentation if request.include_documentation else None,
    )
