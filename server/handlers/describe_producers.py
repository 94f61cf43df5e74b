"""DescribeProducers (key 61): the producers that a replica remembers: epochs, sequences, open transactions.

A follower answers for its own log, so that an administrator may look for what hangs there.
Errors: INVALID_TOPIC_EXCEPTION, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER (no replica is here),
UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-664.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model import topic_names
from server.model.errors import Rejected
from server.wire.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)


def handle(broker: Broker, ctx: Context, request: DescribeProducersRequest) -> DescribeProducersResponse:
    return DescribeProducersResponse(
        topics=[
            TopicResponse(topic.name, [_describe(broker, topic.name, index) for index in topic.partition_indexes])
            for topic in request.topics
        ]
    )


def _describe(broker: Broker, topic: str, index: int) -> PartitionResponse:
    try:
        topic_names.check(topic)
        partition = broker.partition(topic, index)
        partition.serving()
    except Rejected as e:
        return PartitionResponse(index, e.code, e.message)
    return PartitionResponse(
        index, active_producers=[ProducerState(*row) for row in partition.log.producers.describe()]
    )
