"""The coordinators' topics: created when somebody first looks for a coordinator, with settings of their own.

As with Kafka, there is no topic before there are brokers enough for its replicas; whoever asks comes again.
Source: KIP-98, KIP-447; the settings are those that Kafka creates these topics with.
"""

import logging
from collections.abc import Callable

from server.broker.channel import Channel
from server.broker.creating import CREATE_TOPICS
from server.config import NodeConfig
from server.model.errors import ErrorCode, Rejected
from server.model.ids import OFFSETS_TOPIC, TRANSACTIONS_TOPIC
from server.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

logger = logging.getLogger(__name__)


def _offsets(config: NodeConfig) -> CreatableTopic:
    return _topic(
        OFFSETS_TOPIC,
        config.number("offsets.topic.num.partitions"),
        config.number("offsets.topic.replication.factor"),
        {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": str(config.number("offsets.topic.segment.bytes")),
        },
    )


def _transactions(config: NodeConfig) -> CreatableTopic:
    return _topic(
        TRANSACTIONS_TOPIC,
        config.number("transaction.state.log.num.partitions"),
        config.number("transaction.state.log.replication.factor"),
        {
            "cleanup.policy": "compact",
            "compression.type": "uncompressed",
            "min.insync.replicas": str(config.number("transaction.state.log.min.isr")),
            "segment.bytes": str(config.number("transaction.state.log.segment.bytes")),
            "unclean.leader.election.enable": "false",
        },
    )


_WANTED: dict[str, Callable[[NodeConfig], CreatableTopic]] = {
    OFFSETS_TOPIC: _offsets,
    TRANSACTIONS_TOPIC: _transactions,
}


def _topic(name: str, partitions: int, replication_factor: int, settings: dict[str, str]) -> CreatableTopic:
    configs = [CreatableTopicConfig(name, value) for name, value in settings.items()]
    return CreatableTopic(name, partitions, replication_factor, configs=configs)


def wanted(config: NodeConfig, topic: str) -> CreatableTopic:
    """What a coordinator's topic is created as."""
    return _WANTED[topic](config)


async def create(channel: Channel, config: NodeConfig, topic: str) -> None:
    """Ask the controller for a coordinator's topic. Why there is none yet is logged: who asked for it comes again."""
    request = CreateTopicsRequest([wanted(config, topic)])
    try:
        response: CreateTopicsResponse = await channel.request(CREATE_TOPICS, request)
    except Rejected as e:
        logger.info("%s is not created yet: %s", topic, e)
        return
    for row in response.topics:
        if row.error_code not in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS):
            logger.info("%s is not created yet: %s", topic, row.error_message)
