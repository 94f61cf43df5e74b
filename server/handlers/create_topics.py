"""CreateTopics (key 19): make topics, or with validate_only say what would come of it.

Errors, each topic its own: INVALID_CONFIG, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR,
INVALID_REQUEST, INVALID_TOPIC_EXCEPTION, NOT_CONTROLLER, POLICY_VIOLATION, TOPIC_ALREADY_EXISTS.
Source: KIP-4, KIP-525 (v5), KIP-516 (v7).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.creating import create
from server.wire.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse


async def handle(broker: Broker, ctx: Context, request: CreateTopicsRequest) -> CreateTopicsResponse:
    return await create(broker.controller, broker.config.static, broker.rng, request)
