"""The group coordinator of one broker: the shards of __consumer_offsets, with a GroupCore each."""

from collections.abc import Callable, Sequence

from server.broker.shards import Shards, ShardSettings
from server.config import NodeConfig
from server.groups.core import GroupCore
from server.groups.settings import GroupSettings
from server.model.ids import OFFSETS_TOPIC
from server.ports import Clock

MINUTE_MS = 60_000


def settings(config: NodeConfig) -> GroupSettings:
    number = config.number
    return GroupSettings(
        initial_rebalance_delay_ms=number("group.initial.rebalance.delay.ms"),
        min_session_timeout_ms=number("group.min.session.timeout.ms"),
        max_session_timeout_ms=number("group.max.session.timeout.ms"),
        max_size=number("group.max.size"),
        metadata_max_bytes=number("offset.metadata.max.bytes"),
        retention_ms=number("offsets.retention.minutes") * MINUTE_MS,
        retention_check_interval_ms=number("offsets.retention.check.interval.ms"),
    )


def shards(
    config: NodeConfig, core_settings: GroupSettings, clock: Clock, count: Callable[[str], int | None]
) -> Shards[GroupCore]:
    """count: how many partitions a topic has; None where it does not exist."""
    limits = ShardSettings(
        config.number("offsets.load.buffer.size"),
        config.number("offsets.commit.timeout.ms"),
        config.number("offsets.topic.compression.codec"),
    )
    planned = config.number("offsets.topic.num.partitions")
    return Shards(
        OFFSETS_TOPIC, lambda: GroupCore(core_settings), clock, limits, lambda: count(OFFSETS_TOPIC) or planned
    )


def topics_deleted(shards: Shards[GroupCore], names: Sequence[str]) -> None:
    """The offsets of these topics go."""
    for shard in shards:
        shard.note(lambda core, now: core.topics_deleted(names, now))
