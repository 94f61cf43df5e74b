"""The settings that Kafka's producers and consumers know by name: what is in none of these lists is a mistake.

Those without a meaning here are known and ignored: this client has one way of doing what they would change.
Source: the configuration reference of Apache Kafka 4.3.
"""

from collections.abc import Mapping

_ALIKE = frozenset(
    {
        "bootstrap.servers", "client.id", "client.dns.lookup", "send.buffer.bytes", "receive.buffer.bytes",
        "reconnect.backoff.ms", "reconnect.backoff.max.ms", "retry.backoff.ms", "retry.backoff.max.ms",
        "request.timeout.ms", "metadata.max.age.ms", "metrics.sample.window.ms", "metrics.num.samples",
        "metrics.recording.level", "metric.reporters", "enable.metrics.push", "socket.connection.setup.timeout.ms",
        "socket.connection.setup.timeout.max.ms", "connections.max.idle.ms", "interceptor.classes", "config.providers",
        "security.protocol", "security.providers", "metadata.recovery.strategy",
        "metadata.recovery.rebootstrap.trigger.ms",
    }
)  # fmt: skip
_PRODUCERS = frozenset(
    {
        "acks", "batch.size", "buffer.memory", "compression.type", "compression.gzip.level", "compression.lz4.level",
        "compression.zstd.level", "delivery.timeout.ms", "enable.idempotence", "key.serializer", "linger.ms",
        "max.block.ms", "max.in.flight.requests.per.connection", "max.request.size", "metadata.max.idle.ms",
        "partitioner.adaptive.partitioning.enable", "partitioner.availability.timeout.ms", "partitioner.class",
        "partitioner.ignore.keys", "retries", "transaction.timeout.ms", "transaction.two.phase.commit.enable",
        "transactional.id", "value.serializer",
    }
)  # fmt: skip
_CONSUMERS = frozenset(
    {
        "allow.auto.create.topics", "auto.commit.interval.ms", "auto.offset.reset", "check.crcs", "client.rack",
        "default.api.timeout.ms", "enable.auto.commit", "exclude.internal.topics", "fetch.max.bytes",
        "fetch.max.wait.ms", "fetch.min.bytes", "group.id", "group.instance.id", "group.protocol",
        "group.remote.assignor", "heartbeat.interval.ms", "isolation.level", "key.deserializer",
        "max.partition.fetch.bytes", "max.poll.interval.ms", "max.poll.records", "partition.assignment.strategy",
        "session.timeout.ms", "value.deserializer",
    }
)  # fmt: skip
_FAMILIES = ("ssl.", "sasl.")


def unknown_to_producers(texts: Mapping[str, str]) -> list[str]:
    return _unknown(texts, _PRODUCERS)


def unknown_to_consumers(texts: Mapping[str, str]) -> list[str]:
    return _unknown(texts, _CONSUMERS)


def _unknown(texts: Mapping[str, str], own: frozenset[str]) -> list[str]:
    return sorted(name for name in texts if name not in own | _ALIKE and not name.startswith(_FAMILIES))
