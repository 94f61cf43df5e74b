"""The order in which Kafka's brokers list the settings of a topic: that of a Java HashMap of their names.

Scripts that read `Configs: a=1,b=2` have only ever seen this order, so it is part of the interface. A bucket is chosen
by String.hashCode; names that share one stand in the order in which Kafka defines them.
"""

BUCKETS = 64  # what a HashMap of 33 names grows to

_DEFINED = (
    "segment.bytes", "segment.ms", "segment.jitter.ms", "segment.index.bytes", "flush.messages", "flush.ms",
    "retention.bytes", "retention.ms", "max.message.bytes", "index.interval.bytes", "delete.retention.ms",
    "min.compaction.lag.ms", "max.compaction.lag.ms", "file.delete.delay.ms", "min.cleanable.dirty.ratio",
)  # fmt: skip


def rank(name: str) -> tuple[int, int, str]:
    """A sort key for the names of topic settings."""
    code = 0
    for character in name:
        code = (code * 31 + ord(character)) & 0xFFFFFFFF
    bucket = (code ^ code >> 16) & (BUCKETS - 1)
    return bucket, _DEFINED.index(name) if name in _DEFINED else len(_DEFINED), name
