"""The broker settings of tiered storage, of which this broker honours none.

Source: KIP-405.
"""

from server.model.settings.declare import CLUSTER, LOW, NO_RULE, boolean, integer, long, text
from server.model.settings.kinds import LONG_MAX, Table, table
from server.model.settings.valid import AT_LEAST_0, AT_LEAST_1, NonEmpty

TIERING: Table = table(
    (
        boolean("follower.fetch.last.tiered.offset.enable", False, NO_RULE,
             "Whether a new follower begins behind what is tiered.", CLUSTER),
        integer("remote.fetch.max.wait.ms", 500, AT_LEAST_1, "How long a fetch waits for remote storage.", CLUSTER),
        long("remote.list.offsets.request.timeout.ms", 30_000, AT_LEAST_1,
             "How long a look-up of offsets waits for remote storage.", CLUSTER),
        long("remote.log.index.file.cache.total.size.bytes", 1_073_741_824, AT_LEAST_1,
             "Disk that fetched indexes of tiered segments may take.", LOW, CLUSTER),
        integer("remote.log.manager.copier.thread.pool.size", 10, AT_LEAST_1,
             "Threads that copy segments to remote storage.", CLUSTER),
        long("remote.log.manager.copy.max.bytes.per.second", LONG_MAX, AT_LEAST_1,
             "Bytes a second that go to remote storage.", CLUSTER),
        integer("remote.log.manager.copy.quota.window.num", 11, AT_LEAST_1,
             "Windows that the copy rate is taken from."),
        integer("remote.log.manager.copy.quota.window.size.seconds", 1, AT_LEAST_1,
             "Length of a window of the copy rate."),
        integer("remote.log.manager.expiration.thread.pool.size", 10, AT_LEAST_1,
             "Threads that drop what is out of retention from remote storage.", CLUSTER),
        long("remote.log.manager.fetch.max.bytes.per.second", LONG_MAX, AT_LEAST_1,
             "Bytes a second that come from remote storage.", CLUSTER),
        integer("remote.log.manager.fetch.quota.window.num", 11, AT_LEAST_1,
             "Windows that the fetch rate is taken from."),
        integer("remote.log.manager.fetch.quota.window.size.seconds", 1, AT_LEAST_1,
             "Length of a window of the fetch rate."),
        integer("remote.log.manager.follower.thread.pool.size", 2, AT_LEAST_1,
             "Threads for followers' work on tiered partitions.", CLUSTER),
        long("remote.log.manager.task.interval.ms", 30_000, AT_LEAST_1, "How often tiering looks for work.", LOW),
        integer("remote.log.manager.thread.pool.size", 2, AT_LEAST_1, "Threads that schedule tiering."),
        integer("remote.log.metadata.custom.metadata.max.bytes", 128, AT_LEAST_0,
             "Bytes of a storage plug-in's own metadata that are kept.", LOW),
        text("remote.log.metadata.manager.class.name",
             "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", NonEmpty(),
             "Java class that keeps track of tiered segments."),
        text("remote.log.metadata.manager.class.path", None, NO_RULE, "Where that class is found."),
        text("remote.log.metadata.manager.impl.prefix", "rlmm.config.", NonEmpty(),
             "Prefix of the settings that are handed to that class."),
        text("remote.log.metadata.manager.listener.name", None, NonEmpty(),
             "Listener on which that class talks to the cluster."),
        integer("remote.log.reader.max.pending.tasks", 100, AT_LEAST_1, "Reads of remote storage that may wait."),
        integer("remote.log.reader.threads", 10, AT_LEAST_1, "Threads that read remote storage.", CLUSTER),
        text("remote.log.storage.manager.class.name", None, NonEmpty(), "Java class that stores tiered segments."),
        text("remote.log.storage.manager.class.path", None, NO_RULE, "Where that class is found."),
        text("remote.log.storage.manager.impl.prefix", "rsm.config.", NonEmpty(),
             "Prefix of the settings that are handed to that class."),
        boolean("remote.log.storage.system.enable", False, NO_RULE, "Whether this broker tiers at all."),
    )
)  # fmt: skip
