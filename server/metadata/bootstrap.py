"""The records that a new cluster starts from.

`format` writes the levels of its features to `bootstrap.checkpoint`. The first controller puts them at the head of the
metadata log, inside a transaction, with what else a new cluster has.

Source: KIP-778, KIP-868, KIP-966 (min.insync.replicas becomes a setting of the cluster).
"""

from collections.abc import Iterable, Mapping, Sequence

from server.metadata.records import (
    BeginTransactionRecord,
    ConfigRecord,
    EndTransactionRecord,
    FeatureLevelRecord,
    Record,
)
from server.model import features
from server.model.settings.kinds import ResourceType

TRANSACTION = "Bootstrap records"


def checkpoint(
    metadata_version: int = features.LATEST_METADATA_VERSION, levels: Mapping[str, int] | None = None
) -> tuple[Record, ...]:
    """What `bootstrap.checkpoint` holds.

    levels  features that a user set; the others have their defaults, and level 0 is not written
    """
    all_levels = features.defaults(metadata_version) | dict(levels or {})
    all_levels.pop(features.KRAFT_VERSION, None)
    del all_levels[features.METADATA_VERSION]
    return (
        FeatureLevelRecord(features.METADATA_VERSION, metadata_version),
        *(FeatureLevelRecord(name, level) for name, level in sorted(all_levels.items()) if level),
    )


def first_records(bootstrap: Sequence[Record], min_insync_replicas: str) -> tuple[Record, ...]:
    """What the first controller of a cluster writes, as one batch.

    min_insync_replicas  its own setting, which becomes that of all brokers where eligible leader replicas are on
    """
    levels = {record.name: record.feature_level for record in bootstrap if isinstance(record, FeatureLevelRecord)}
    extra: Iterable[Record] = ()
    if levels.get(features.ELR_VERSION):
        extra = (ConfigRecord(ResourceType.BROKER, "", "min.insync.replicas", min_insync_replicas),)
    if levels.get(features.METADATA_VERSION, features.OLDEST_METADATA_VERSION) < features.TRANSACTIONS_SINCE:
        return (*bootstrap, *extra)
    return (BeginTransactionRecord(TRANSACTION), *bootstrap, *extra, EndTransactionRecord())
