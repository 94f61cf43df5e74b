"""The settings of a topic, each with the broker settings that give its default.

Imports little: kcli checks `--config` with it before it opens a socket.
Source: `kafka-configs.sh`, KIP-73 (throttles), KIP-405 (tiering), KIP-390 (levels), KIP-937 (timestamp bounds).
"""

from server.model.errors import ErrorCode, Rejected
from server.model.settings.declare import HONOURED, NO_RULE, boolean, double, integer, long, text, words
from server.model.settings.kinds import LONG_MAX, Table, Value, parse, table
from server.model.settings.valid import AT_LEAST_0, AT_LEAST_1, EachOf, GzipLevel, OneOf, Range, ThrottledReplicas

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
CODECS = OneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")
POLICIES = EachOf("compact", "delete")
TIMES = OneOf("CreateTime", "LogAppendTime")


_RETENTION = (("log.retention.ms", 1), ("log.retention.minutes", MINUTE_MS), ("log.retention.hours", HOUR_MS))
_ROLL = (("log.roll.ms", 1), ("log.roll.hours", HOUR_MS))
_JITTER = (("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR_MS))
_FLUSH = (("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1))

_LAG = "log.cleaner.max.compaction.lag.ms"
_BEFORE = "log.message.timestamp.before.max.ms"

TOPIC: Table = table(
    (
        words("cleanup.policy", ("delete",), POLICIES,
             "What becomes of old segments: delete drops them, compact keeps the last record of each key.",
             HONOURED, like="log.cleanup.policy"),
        integer("compression.gzip.level", -1, GzipLevel(),
             "How hard gzip tries when the broker compresses.", HONOURED, like="compression.gzip.level"),
        integer("compression.lz4.level", 9, Range(1, 17),
             "How hard lz4 tries when the broker compresses.", HONOURED, like="compression.lz4.level"),
        text("compression.type", "producer", CODECS,
             "The codec that batches are stored in; producer keeps the one they came in.",
             HONOURED, like="compression.type"),
        integer("compression.zstd.level", 3, Range(-131072, 22),
             "How hard zstd tries when the broker compresses.", HONOURED, like="compression.zstd.level"),
        long("delete.retention.ms", 86_400_000, AT_LEAST_0,
             "How long compaction keeps a tombstone, so that a reader from the start can see it.",
             HONOURED, like="log.cleaner.delete.retention.ms"),
        long("file.delete.delay.ms", 60_000, AT_LEAST_0,
             "How long a dropped segment's file stays on the disk.", HONOURED, like="log.segment.delete.delay.ms"),
        long("flush.messages", LONG_MAX, AT_LEAST_1,
             "Records after which the log is forced to the disk.", HONOURED, like="log.flush.interval.messages"),
        long("flush.ms", LONG_MAX, AT_LEAST_0,
             "Time after which the log is forced to the disk.", HONOURED, like=_FLUSH),
        words("follower.replication.throttled.replicas", (), ThrottledReplicas(),
             "Followers whose replication is slowed down to the follower rate.", HONOURED),
        integer("index.interval.bytes", 4096, AT_LEAST_0,
             "Bytes of log between two entries of the offset index.", HONOURED, like="log.index.interval.bytes"),
        words("leader.replication.throttled.replicas", (), ThrottledReplicas(),
             "Leaders whose replication is slowed down to the leader rate.", HONOURED),
        long("local.retention.bytes", -2, Range(-2),
             "Bytes kept on the broker once a segment is tiered; -2 follows retention.bytes.",
             like="log.local.retention.bytes"),
        long("local.retention.ms", -2, Range(-2),
             "Time that a tiered segment stays on the broker; -2 follows retention.ms.",
             like="log.local.retention.ms"),
        long("max.compaction.lag.ms", LONG_MAX, AT_LEAST_1,
             "How long a record may wait for compaction.", like=_LAG),
        integer("max.message.bytes", 1_048_588, AT_LEAST_0,
             "The largest batch that is taken, as it lies in the log.", HONOURED, like="message.max.bytes"),
        long("message.timestamp.after.max.ms", HOUR_MS, AT_LEAST_0,
             "How far a record's timestamp may lie ahead of the broker's clock.",
             HONOURED, like="log.message.timestamp.after.max.ms"),
        long("message.timestamp.before.max.ms", LONG_MAX, AT_LEAST_0,
             "How far a record's timestamp may lie behind the broker's clock.", HONOURED, like=_BEFORE),
        text("message.timestamp.type", "CreateTime", TIMES,
             "Whose clock stamps the records: the producer's or the broker's.",
             HONOURED, like="log.message.timestamp.type"),
        double("min.cleanable.dirty.ratio", 0.5, Range(0, 1),
             "Share of uncompacted bytes from which a log is compacted.", like="log.cleaner.min.cleanable.ratio"),
        long("min.compaction.lag.ms", 0, AT_LEAST_0,
             "How long a record is safe from compaction.", like="log.cleaner.min.compaction.lag.ms"),
        integer("min.insync.replicas", 1, AT_LEAST_1,
             "In-sync replicas without which acks=all is refused.", HONOURED, like="min.insync.replicas"),
        boolean("preallocate", False, NO_RULE,
             "Whether a new segment's file takes its full size at once.", HONOURED, like="log.preallocate"),
        boolean("remote.log.copy.disable", False, NO_RULE,
             "Stops further segments from being tiered."),
        boolean("remote.log.delete.on.disable", False, NO_RULE,
             "Whether switching tiering off also drops what was tiered."),
        boolean("remote.storage.enable", False, NO_RULE,
             "Whether segments are tiered to remote storage."),
        long("retention.bytes", -1, NO_RULE,
             "Bytes a partition may hold before old segments are dropped; -1 is no limit.",
             HONOURED, like="log.retention.bytes"),
        long("retention.ms", 604_800_000, Range(-1),
             "Age from which a segment is dropped; -1 is no limit.", HONOURED, like=_RETENTION),
        integer("segment.bytes", 1 << 30, Range(1 << 20),
             "Size at which a segment is closed and a new one begun.", HONOURED, like="log.segment.bytes"),
        integer("segment.index.bytes", 10_485_760, Range(4),
             "Size at which a full index closes its segment.", HONOURED, like="log.index.size.max.bytes"),
        long("segment.jitter.ms", 0, AT_LEAST_0,
             "Random time taken off segment.ms, so that segments do not all roll at once.", HONOURED, like=_JITTER),
        long("segment.ms", 604_800_000, AT_LEAST_1,
             "Age at which a segment is closed and a new one begun.", HONOURED, like=_ROLL),
        boolean("unclean.leader.election.enable", False, NO_RULE,
             "Whether a replica outside the ISR may lead when nobody else can, which loses records.", HONOURED,
             like="unclean.leader.election.enable"),
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
