"""The broker settings of fetching, replication, leadership and quotas.

Source: KIP-227 (fetch sessions), KIP-73 and KIP-219 (quotas).
"""

from server.model.settings.declare import CLUSTER, HIGH, HONOURED, LOW, NO_RULE, integer, java_class, long, text
from server.model.settings.kinds import LONG_MAX, Table, table
from server.model.settings.valid import AT_LEAST_0, AT_LEAST_1, Range

REPLICAS: Table = table(
    (
        integer("alter.log.dirs.replication.quota.window.num", 11, AT_LEAST_1, "", LOW),
        integer("alter.log.dirs.replication.quota.window.size.seconds", 1, AT_LEAST_1, "", LOW),
        java_class("client.quota.callback.class", None, NO_RULE, "", LOW),
        integer("controller.quota.window.num", 11, AT_LEAST_1, "", LOW),
        integer("controller.quota.window.size.seconds", 1, AT_LEAST_1, "", LOW),
        integer("delete.records.purgatory.purge.interval.requests", 1, NO_RULE, ""),
        integer("fetch.max.bytes", 57_671_680, Range(1024), "", HONOURED),
        integer("fetch.purgatory.purge.interval.requests", 1000, NO_RULE, ""),
        long("leader.imbalance.check.interval.seconds", 300, AT_LEAST_1, "", HIGH),
        integer("max.incremental.fetch.session.cache.slots", 1000, AT_LEAST_0, "", HONOURED),
        integer("num.replica.alter.log.dirs.threads", None, NO_RULE, "", HIGH),
        integer("num.replica.fetchers", 1, AT_LEAST_1, "", HIGH, CLUSTER),
        integer("producer.purgatory.purge.interval.requests", 1000, NO_RULE, ""),
        integer("quota.window.num", 11, AT_LEAST_1, "", LOW),
        integer("quota.window.size.seconds", 1, AT_LEAST_1, "", LOW),
        integer("replica.fetch.backoff.ms", 1000, AT_LEAST_0, ""),
        integer("replica.fetch.max.bytes", 1_048_576, AT_LEAST_0, ""),
        integer("replica.fetch.min.bytes", 1, NO_RULE, "", HIGH),
        integer("replica.fetch.response.max.bytes", 10_485_760, AT_LEAST_0, ""),
        integer("replica.fetch.wait.max.ms", 500, NO_RULE, "", HIGH),
        long("replica.high.watermark.checkpoint.interval.ms", 5000, NO_RULE, "", HIGH, HONOURED),
        long("replica.lag.time.max.ms", 30_000, NO_RULE, "", HIGH, HONOURED),
        text("replica.selector.class", None, NO_RULE, ""),
        integer("replica.socket.receive.buffer.bytes", 65_536, NO_RULE, "", HIGH),
        integer("replica.socket.timeout.ms", 30_000, NO_RULE, "", HIGH),
        integer("replication.quota.window.num", 11, AT_LEAST_1, "", LOW),
        integer("replication.quota.window.size.seconds", 1, AT_LEAST_1, "", LOW),
        integer("share.fetch.purgatory.purge.interval.requests", 1000, NO_RULE, ""),
    )
)  # fmt: skip

RATES: Table = table(
    (
        long("follower.replication.throttled.rate", LONG_MAX, AT_LEAST_0,
             "Bytes a second that throttled followers may fetch; set dynamically only.", CLUSTER),
        long("leader.replication.throttled.rate", LONG_MAX, AT_LEAST_0,
             "Bytes a second that throttled leaders may send; set dynamically only.", CLUSTER),
        long("replica.alter.log.dirs.io.max.bytes.per.second", LONG_MAX, AT_LEAST_0,
             "Bytes a second that moves between directories may copy; set dynamically only.", CLUSTER),
    )
)  # fmt: skip
