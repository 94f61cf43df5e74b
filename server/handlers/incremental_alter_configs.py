"""IncrementalAlterConfigs (key 44): set, delete, append to and subtract from single settings of resources.

Errors, each resource its own: BROKER_ID_NOT_REGISTERED, INVALID_CONFIG, INVALID_REQUEST, INVALID_TOPIC_EXCEPTION,
NOT_CONTROLLER, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-339.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import configs
from server.wire.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)


async def handle(
    broker: Broker, ctx: Context, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse:
    return await broker.controller.decide(lambda image: configs.alter(image, broker.config.static, request))
