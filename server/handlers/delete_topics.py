"""DeleteTopics (key 20): delete topics by name, from v6 on by id too.

Errors, each topic its own: INVALID_REQUEST, NOT_CONTROLLER, TOPIC_DELETION_DISABLED, UNKNOWN_TOPIC_ID,
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-4, KIP-516 (v6).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import topics
from server.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse


async def handle(broker: Broker, ctx: Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    enabled = broker.config.flag("delete.topic.enable")
    return await broker.controller.decide(lambda image: topics.delete(image, request, enabled=enabled))
