"""FindCoordinator (key 10): which broker coordinates these groups, or transactional ids.

The first one who asks causes the coordinators' topic to be made; until it is there, and has leaders, the coordinator is
not available, and clients ask again.

Errors, each key its own: COORDINATOR_NOT_AVAILABLE, INVALID_REQUEST (a kind of coordinator that is not served).
Source: KIP-98 (v1), KIP-699 (v4, several keys), KIP-890 (v5).
"""

from typing import Any

from server.broker import internal_topics
from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.leaders import end_point
from server.broker.shards import Shards
from server.model.errors import ErrorCode
from server.model.ids import OFFSETS_TOPIC, TRANSACTIONS_TOPIC
from server.wire.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse

FIRST_BATCHED_VERSION = 4
TOPICS = {0: OFFSETS_TOPIC, 1: TRANSACTIONS_TOPIC}  # by the kind of key


async def handle(broker: Broker, ctx: Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse:
    batched = ctx.api_version >= FIRST_BATCHED_VERSION
    shards = broker.coordinators.get(TOPICS.get(request.key_type, ""))
    if shards is not None and shards.topic not in broker.image.topics:
        await internal_topics.create(broker.channel, broker.config, shards.topic)
    rows = [_find(broker, ctx, shards, key) for key in (request.coordinator_keys if batched else [request.key])]
    if batched:
        return FindCoordinatorResponse(coordinators=rows)
    row = rows[0]
    name = ErrorCode(row.error_code).name
    return FindCoordinatorResponse(0, row.error_code, row.error_message or name, row.node_id, row.host, row.port)


def _find(broker: Broker, ctx: Context, shards: Shards[Any] | None, key: str) -> Coordinator:
    if shards is None:
        return Coordinator(key, -1, "", -1, ErrorCode.INVALID_REQUEST)
    topic = broker.image.topics.get(shards.topic)
    partition = None if topic is None else topic.partitions.get(shards.partition_for(key))
    address = None if partition is None else end_point(broker, ctx.listener, partition.leader)
    if partition is None or address is None:
        return Coordinator(key, -1, "", -1, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return Coordinator(key, partition.leader, *address[:2])
