"""The group coordinator of one broker: the shards of __consumer_offsets, with a GroupCore each."""

from collections.abc import Callable
from dataclasses import replace

from server.broker.shards import Shards, ShardSettings
from server.config import ConfigError, NodeConfig
from server.groups.consumer.assignors import ASSIGNORS
from server.groups.consumer.settings import ConsumerSettings
from server.groups.core import GroupCore
from server.groups.settings import GroupSettings
from server.metadata.delta import Delta
from server.metadata.image import Image
from server.model.errors import ErrorCode, Rejected
from server.model.features import GROUP_VERSION
from server.model.ids import OFFSETS_TOPIC
from server.model.settings.kinds import ResourceType
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
        consumer=ConsumerSettings(
            max_size=number("group.consumer.max.size"),
            assignors=_assignors(config),
            session_ms=number("group.consumer.session.timeout.ms"),
            heartbeat_ms=number("group.consumer.heartbeat.interval.ms"),
            assignment_ms=number("group.consumer.assignment.interval.ms"),
        ),
    )


def _assignors(config: NodeConfig) -> tuple[str, ...]:
    """Raises ConfigError: names that are no assignor of this server."""
    named = config.words("group.consumer.assignors")
    unknown = [name for name in named if name not in ASSIGNORS]
    if unknown:
        known = ", ".join(ASSIGNORS)
        raise ConfigError(f"{config.path}: group.consumer.assignors: there is no assignor {unknown[0]}; use {known}")
    return named


def of_group(defaults: ConsumerSettings, image: Image, group_id: str) -> ConsumerSettings:
    """What a consumer group goes by: what was set for it, and the broker's settings otherwise."""
    given = image.config(ResourceType.GROUP, group_id)
    if not given:
        return defaults
    return replace(
        defaults,
        session_ms=int(given.get("consumer.session.timeout.ms", defaults.session_ms)),
        heartbeat_ms=int(given.get("consumer.heartbeat.interval.ms", defaults.heartbeat_ms)),
        assignment_ms=int(given.get("consumer.assignment.interval.ms", defaults.assignment_ms)),
    )


def shards(
    config: NodeConfig, core_settings: GroupSettings, clock: Clock, image: Callable[[], Image]
) -> Shards[GroupCore]:
    """image: of the metadata, at any time."""
    limits = ShardSettings(
        config.number("offsets.load.buffer.size"),
        config.number("offsets.commit.timeout.ms"),
        config.number("offsets.topic.compression.codec"),
    )
    planned = config.number("offsets.topic.num.partitions")

    def core() -> GroupCore:
        return GroupCore(
            core_settings,
            lambda: image().topics,
            lambda group_id: of_group(core_settings.consumer, image(), group_id),
        )

    def count() -> int:
        topic = image().topics.get(OFFSETS_TOPIC)
        return planned if topic is None else len(topic.partitions)

    return Shards(OFFSETS_TOPIC, core, clock, limits, count)


def published(shards: Shards[GroupCore], before: Image, delta: Delta, image: Image) -> None:
    """The offsets of topics that are gone go; groups that read topics with other partitions assign anew."""
    gone = [topic.name for topic in map(before.topic_of, delta.topics_deleted) if topic is not None]
    changed = set(gone)
    for topic_id in delta.partitions_changed:
        former, topic = before.topic_of(topic_id), image.topic_of(topic_id)
        if topic is not None and (former is None or len(former.partitions) != len(topic.partitions)):
            changed.add(topic.name)
    for shard in shards if changed else ():
        if gone:
            shard.note(lambda core, now: core.topics_deleted(gone, now))
        shard.note(lambda core, now: core.topics_changed(changed, now))


def check_consumer_protocol(config: NodeConfig, image: Image) -> None:
    """Raises Rejected(UNSUPPORTED_VERSION): the cluster, or this broker, does not speak the protocol of KIP-848."""
    if not image.feature(GROUP_VERSION) or "consumer" not in config.words("group.coordinator.rebalance.protocols"):
        raise Rejected(ErrorCode.UNSUPPORTED_VERSION)
