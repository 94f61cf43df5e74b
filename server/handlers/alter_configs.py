"""AlterConfigs (key 33): replace all settings of resources; what the request leaves out goes back to its default.

Errors, each resource its own: as IncrementalAlterConfigs.
Source: KIP-133.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import configs
from server.wire.messages.alter_configs import AlterConfigsRequest, AlterConfigsResponse


async def handle(broker: Broker, ctx: Context, request: AlterConfigsRequest) -> AlterConfigsResponse:
    return await broker.controller.decide(lambda image: configs.replace(image, broker.config.static, request))
