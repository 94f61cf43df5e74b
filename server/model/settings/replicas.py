"""The broker settings of fetching, replication, leadership and quotas.

Source: KIP-227 (fetch sessions), KIP-73 and KIP-219 (quotas).
"""

from server.model.settings.declare import CLUSTER, HIGH, HONOURED, LOW, NO_RULE, integer, java_class, long, text
from server.model.settings.kinds import LONG_MAX, Table, table
from server.model.settings.valid import AT_LEAST_0, AT_LEAST_1, Range

LEADER_SELECTOR = "org.apache.kafka.common.replica.LeaderSelector"
RACK_AWARE_SELECTOR = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
REPLICA_SELECTORS = (LEADER_SELECTOR, RACK_AWARE_SELECTOR)

REPLICAS: Table = table(
    (
        integer("alter.log.dirs.replication.quota.window.num", 11, AT_LEAST_1,
             "Windows that the rate of moves between directories is taken from.", LOW),
        integer("alter.log.dirs.replication.quota.window.size.seconds", 1, AT_LEAST_1,
             "Length of a window of that rate; half of one may be made up for.", LOW, HONOURED),
        java_class("client.quota.callback.class", None, NO_RULE,
             "Java class that computes clients' quotas; not loaded here.", LOW),
        integer("controller.quota.window.num", 11, AT_LEAST_1,
             "Windows that the rate of metadata changes is taken from.", LOW),
        integer("controller.quota.window.size.seconds", 1, AT_LEAST_1, "Length of a window of that rate.", LOW),
        integer("delete.records.purgatory.purge.interval.requests", 1, NO_RULE,
             "Requests after which finished waits are cleared; no need here."),
        integer("fetch.max.bytes", 57_671_680, Range(1024),
             "Most bytes that one fetch gets, whatever it asks for.", HONOURED),
        integer("fetch.purgatory.purge.interval.requests", 1000, NO_RULE,
             "Requests after which finished waits are cleared; no need here."),
        long("leader.imbalance.check.interval.seconds", 300, AT_LEAST_1,
             "How often to look whether leaders should move back.", HIGH, HONOURED),
        integer("max.incremental.fetch.session.cache.slots", 1000, AT_LEAST_0,
             "Fetch sessions that a broker remembers.", HONOURED),
        integer("num.replica.alter.log.dirs.threads", None, NO_RULE,
             "Replicas that are moved between directories at a time; as many as directories where it is not set.", HIGH,
             HONOURED),
        integer("num.replica.fetchers", 1, AT_LEAST_1,
             "Connections to each leader that replicas are fetched over.", HIGH, CLUSTER),
        integer("producer.purgatory.purge.interval.requests", 1000, NO_RULE,
             "Requests after which finished waits are cleared; no need here."),
        integer("quota.window.num", 11, AT_LEAST_1, "Windows that a client's rate is taken from.", LOW),
        integer("quota.window.size.seconds", 1, AT_LEAST_1, "Length of a window of a client's rate.", LOW),
        integer("replica.fetch.backoff.ms", 1000, AT_LEAST_0, "How long a follower waits after a failed fetch."),
        integer("replica.fetch.max.bytes", 1_048_576, AT_LEAST_0,
             "Most bytes that a follower asks of one partition."),
        integer("replica.fetch.min.bytes", 1, NO_RULE,
             "Bytes that a leader waits for before it answers a follower.", HIGH),
        integer("replica.fetch.response.max.bytes", 10_485_760, AT_LEAST_0,
             "Most bytes that a follower asks for in all."),
        integer("replica.fetch.wait.max.ms", 500, NO_RULE, "How long a leader waits for those bytes.", HIGH),
        long("replica.high.watermark.checkpoint.interval.ms", 5000, NO_RULE,
             "How often high watermarks are written down.", HIGH, HONOURED),
        long("replica.lag.time.max.ms", 30_000, NO_RULE,
             "How long a follower may lag before it leaves the ISR.", HIGH, HONOURED),
        text("replica.selector.class", None, NO_RULE,
             "What picks the replica to read from: Kafka's LeaderSelector or RackAwareReplicaSelector.", HONOURED),
        integer("replica.socket.receive.buffer.bytes", 65_536, NO_RULE,
             "Receive buffer of a follower's socket.", HIGH),
        integer("replica.socket.timeout.ms", 30_000, NO_RULE, "How long a follower waits for an answer.", HIGH),
        integer("replication.quota.window.num", 11, AT_LEAST_1,
             "Windows that a replication rate is taken from.", LOW),
        integer("replication.quota.window.size.seconds", 1, AT_LEAST_1,
             "Length of a window of a replication rate; half of one may be made up for.", LOW, HONOURED),
        integer("share.fetch.purgatory.purge.interval.requests", 1000, NO_RULE,
             "Requests after which finished waits are cleared; no need here."),
    )
)  # fmt: skip

RATES: Table = table(
    (
        long("follower.replication.throttled.rate", LONG_MAX, AT_LEAST_0,
             "Bytes a second that throttled followers may fetch; set dynamically only.", CLUSTER, HONOURED),
        long("leader.replication.throttled.rate", LONG_MAX, AT_LEAST_0,
             "Bytes a second that throttled leaders may send; set dynamically only.", CLUSTER, HONOURED),
        long("replica.alter.log.dirs.io.max.bytes.per.second", LONG_MAX, AT_LEAST_0,
             "Bytes a second that moves between directories may copy; set dynamically only.", CLUSTER, HONOURED),
    )
)  # fmt: skip
