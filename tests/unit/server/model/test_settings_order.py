"""The order of a topic's settings, as an Apache Kafka 4.3.1 broker listed them."""

from server.model.settings.order import rank

LISTED = [
    "compression.type",
    "min.insync.replicas",
    "segment.jitter.ms",
    "local.retention.ms",
    "cleanup.policy",
    "flush.ms",
    "compression.lz4.level",
    "segment.bytes",
    "retention.ms",
    "flush.messages",
    "max.compaction.lag.ms",
    "file.delete.delay.ms",
    "max.message.bytes",
    "min.compaction.lag.ms",
    "message.timestamp.type",
    "preallocate",
    "index.interval.bytes",
    "min.cleanable.dirty.ratio",
    "unclean.leader.election.enable",
    "retention.bytes",
    "delete.retention.ms",
    "segment.ms",
    "segment.index.bytes",
]


def test_settings_stand_in_the_order_of_a_java_hash_map() -> None:
    assert sorted(sorted(LISTED), key=rank) == LISTED
