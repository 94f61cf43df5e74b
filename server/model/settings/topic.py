"""The settings of a topic, each with the broker settings that give its default.

Imports little: kcli checks `--config` with it before it opens a socket.
Source: `kafka-configs.sh`, KIP-73 (throttles), KIP-405 (tiering), KIP-390 (levels), KIP-937 (timestamp bounds).
"""

from server.model.errors import ErrorCode, Rejected
from server.model.settings.kinds import LONG_MAX, Setting, Table, Type, Validator, Value, parse, table
from server.model.settings.valid import AT_LEAST_0, AT_LEAST_1, EachOf, GzipLevel, OneOf, Range, ThrottledReplicas

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
CODECS = OneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")
POLICIES = EachOf("compact", "delete")
TIMES = OneOf("CreateTime", "LogAppendTime")


def _row(
    name: str,
    type_: Type,
    default: Value,
    valid: Validator | None,
    broker: str | tuple[tuple[str, int], ...],
    doc: str,
    *,
    honoured: bool = True,
) -> Setting:
    synonyms = broker if isinstance(broker, tuple) else ((broker, 1),) if broker else ()
    return Setting(name, type_, default, doc, valid, honoured=honoured, synonyms=synonyms)


_RETENTION = (("log.retention.ms", 1), ("log.retention.minutes", MINUTE_MS), ("log.retention.hours", HOUR_MS))
_ROLL = (("log.roll.ms", 1), ("log.roll.hours", HOUR_MS))
_JITTER = (("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR_MS))
_FLUSH = (("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1))

B, D, I, L, S = Type.BOOLEAN, Type.DOUBLE, Type.INT, Type.LONG, Type.STRING  # noqa: E741
_LAG = "log.cleaner.max.compaction.lag.ms"
_BEFORE = "log.message.timestamp.before.max.ms"

TOPIC: Table = table(
    (
        _row("cleanup.policy", Type.LIST, ("delete",), POLICIES, "log.cleanup.policy",
             "What becomes of old segments: delete drops them, compact keeps the last record of each key."),
        _row("compression.gzip.level", I, -1, GzipLevel(), "compression.gzip.level",
             "How hard gzip tries when the broker compresses."),
        _row("compression.lz4.level", I, 9, Range(1, 17), "compression.lz4.level",
             "How hard lz4 tries when the broker compresses."),
        _row("compression.type", S, "producer", CODECS, "compression.type",
             "The codec that batches are stored in; producer keeps the one they came in."),
        _row("compression.zstd.level", I, 3, Range(-131072, 22), "compression.zstd.level",
             "How hard zstd tries when the broker compresses."),
        _row("delete.retention.ms", L, 86_400_000, AT_LEAST_0, "log.cleaner.delete.retention.ms",
             "How long compaction keeps a tombstone, so that a reader from the start can see it."),
        _row("file.delete.delay.ms", L, 60_000, AT_LEAST_0, "log.segment.delete.delay.ms",
             "How long a dropped segment's file stays on the disk."),
        _row("flush.messages", L, LONG_MAX, AT_LEAST_1, "log.flush.interval.messages",
             "Records after which the log is forced to the disk."),
        _row("flush.ms", L, LONG_MAX, AT_LEAST_0, _FLUSH,
             "Time after which the log is forced to the disk."),
        _row("follower.replication.throttled.replicas", Type.LIST, (), ThrottledReplicas(), "",
             "Followers whose replication is slowed down to the follower rate.", honoured=False),
        _row("index.interval.bytes", I, 4096, AT_LEAST_0, "log.index.interval.bytes",
             "Bytes of log between two entries of the offset index."),
        _row("leader.replication.throttled.replicas", Type.LIST, (), ThrottledReplicas(), "",
             "Leaders whose replication is slowed down to the leader rate.", honoured=False),
        _row("local.retention.bytes", L, -2, Range(-2), "log.local.retention.bytes",
             "Bytes kept on the broker once a segment is tiered; -2 follows retention.bytes.", honoured=False),
        _row("local.retention.ms", L, -2, Range(-2), "log.local.retention.ms",
             "Time that a tiered segment stays on the broker; -2 follows retention.ms.", honoured=False),
        _row("max.compaction.lag.ms", L, LONG_MAX, AT_LEAST_1, _LAG,
             "How long a record may wait for compaction.", honoured=False),
        _row("max.message.bytes", I, 1_048_588, AT_LEAST_0, "message.max.bytes",
             "The largest batch that is taken, as it lies in the log."),
        _row("message.timestamp.after.max.ms", L, HOUR_MS, AT_LEAST_0, "log.message.timestamp.after.max.ms",
             "How far a record's timestamp may lie ahead of the broker's clock."),
        _row("message.timestamp.before.max.ms", L, LONG_MAX, AT_LEAST_0, _BEFORE,
             "How far a record's timestamp may lie behind the broker's clock."),
        _row("message.timestamp.type", S, "CreateTime", TIMES, "log.message.timestamp.type",
             "Whose clock stamps the records: the producer's or the broker's."),
        _row("min.cleanable.dirty.ratio", D, 0.5, Range(0, 1), "log.cleaner.min.cleanable.ratio",
             "Share of uncompacted bytes from which a log is compacted.", honoured=False),
        _row("min.compaction.lag.ms", L, 0, AT_LEAST_0, "log.cleaner.min.compaction.lag.ms",
             "How long a record is safe from compaction.", honoured=False),
        _row("min.insync.replicas", I, 1, AT_LEAST_1, "min.insync.replicas",
             "In-sync replicas without which acks=all is refused."),
        _row("preallocate", B, False, None, "log.preallocate",
             "Whether a new segment's file takes its full size at once."),
        _row("remote.log.copy.disable", B, False, None, "",
             "Stops further segments from being tiered.", honoured=False),
        _row("remote.log.delete.on.disable", B, False, None, "",
             "Whether switching tiering off also drops what was tiered.", honoured=False),
        _row("remote.storage.enable", B, False, None, "",
             "Whether segments are tiered to remote storage.", honoured=False),
        _row("retention.bytes", L, -1, None, "log.retention.bytes",
             "Bytes a partition may hold before old segments are dropped; -1 is no limit."),
        _row("retention.ms", L, 604_800_000, Range(-1), _RETENTION,
             "Age from which a segment is dropped; -1 is no limit."),
        _row("segment.bytes", I, 1 << 30, Range(1 << 20), "log.segment.bytes",
             "Size at which a segment is closed and a new one begun."),
        _row("segment.index.bytes", I, 10_485_760, Range(4), "log.index.size.max.bytes",
             "Size at which a full index closes its segment."),
        _row("segment.jitter.ms", L, 0, AT_LEAST_0, _JITTER,
             "Random time taken off segment.ms, so that segments do not all roll at once."),
        _row("segment.ms", L, 604_800_000, AT_LEAST_1, _ROLL,
             "Age at which a segment is closed and a new one begun."),
        _row("unclean.leader.election.enable", B, False, None, "unclean.leader.election.enable",
             "Whether a replica outside the ISR may lead when nobody else can, which loses records.", honoured=False),
    )
)  # fmt: skip


def check(overrides: dict[str, str]) -> dict[str, Value]:
    """Read the settings that a user gives a topic.

    Raises Rejected(INVALID_CONFIG): an unknown name, a wrong value, or values that contradict each other.
    """
    for name in overrides:
        if name not in TOPIC:
            raise Rejected(ErrorCode.INVALID_CONFIG, f"Unknown topic config name: {name}")
    values = {name: parse(TOPIC[name], text) for name, text in overrides.items()}
    least = values.get("min.compaction.lag.ms", TOPIC["min.compaction.lag.ms"].default)
    most = values.get("max.compaction.lag.ms", TOPIC["max.compaction.lag.ms"].default)
    assert isinstance(least, int)
    assert isinstance(most, int)
    if least > most:
        raise Rejected(
            ErrorCode.INVALID_CONFIG,
            f"conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})",
        )
    return values
