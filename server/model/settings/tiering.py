"""The broker settings of tiered storage, of which this broker honours none.

Source: KIP-405.
"""

from server.model.settings.declare import CLUSTER, LOW, NO_RULE, boolean, integer, long, text
from server.model.settings.kinds import LONG_MAX, Table, table
from server.model.settings.valid import AT_LEAST_0, AT_LEAST_1, NonEmpty

TIERING: Table = table(
    (
        boolean("follower.fetch.last.tiered.offset.enable", False, NO_RULE, "", CLUSTER),
        integer("remote.fetch.max.wait.ms", 500, AT_LEAST_1, "", CLUSTER),
        long("remote.list.offsets.request.timeout.ms", 30_000, AT_LEAST_1, "", CLUSTER),
        long("remote.log.index.file.cache.total.size.bytes", 1_073_741_824, AT_LEAST_1, "", LOW, CLUSTER),
        integer("remote.log.manager.copier.thread.pool.size", 10, AT_LEAST_1, "", CLUSTER),
        long("remote.log.manager.copy.max.bytes.per.second", LONG_MAX, AT_LEAST_1, "", CLUSTER),
        integer("remote.log.manager.copy.quota.window.num", 11, AT_LEAST_1, ""),
        integer("remote.log.manager.copy.quota.window.size.seconds", 1, AT_LEAST_1, ""),
        integer("remote.log.manager.expiration.thread.pool.size", 10, AT_LEAST_1, "", CLUSTER),
        long("remote.log.manager.fetch.max.bytes.per.second", LONG_MAX, AT_LEAST_1, "", CLUSTER),
        integer("remote.log.manager.fetch.quota.window.num", 11, AT_LEAST_1, ""),
        integer("remote.log.manager.fetch.quota.window.size.seconds", 1, AT_LEAST_1, ""),
        integer("remote.log.manager.follower.thread.pool.size", 2, AT_LEAST_1, "", CLUSTER),
        long("remote.log.manager.task.interval.ms", 30_000, AT_LEAST_1, "", LOW),
        integer("remote.log.manager.thread.pool.size", 2, AT_LEAST_1, ""),
        integer("remote.log.metadata.custom.metadata.max.bytes", 128, AT_LEAST_0, "", LOW),
        text("remote.log.metadata.manager.class.name",
             "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", NonEmpty(),
             ""),
        text("remote.log.metadata.manager.class.path", None, NO_RULE, ""),
        text("remote.log.metadata.manager.impl.prefix", "rlmm.config.", NonEmpty(), ""),
        text("remote.log.metadata.manager.listener.name", None, NonEmpty(), ""),
        integer("remote.log.reader.max.pending.tasks", 100, AT_LEAST_1, ""),
        integer("remote.log.reader.threads", 10, AT_LEAST_1, "", CLUSTER),
        text("remote.log.storage.manager.class.name", None, NonEmpty(), ""),
        text("remote.log.storage.manager.class.path", None, NO_RULE, ""),
        text("remote.log.storage.manager.impl.prefix", "rsm.config.", NonEmpty(), ""),
        boolean("remote.log.storage.system.enable", False, NO_RULE, ""),
    )
)  # fmt: skip
