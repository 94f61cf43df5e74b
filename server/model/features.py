"""Features: what a cluster can be switched to, level by level, and what each release of Kafka starts with.

`metadata.version` counts the changes of the metadata; the others have their own small levels. A cluster is formatted at
a metadata.version, and every other feature then has its default level for it.

Source: KIP-584, KIP-778 (metadata.version), KIP-1022 (defaults by release).
"""

from collections.abc import Mapping
from dataclasses import dataclass

METADATA_VERSION = "metadata.version"
KRAFT_VERSION = "kraft.version"
TRANSACTION_VERSION = "transaction.version"
GROUP_VERSION = "group.version"
ELR_VERSION = "eligible.leader.replicas.version"
SHARE_VERSION = "share.version"
STREAMS_VERSION = "streams.version"

# Every metadata.version by its name. The last one is not released yet: known, but not to be used.
_NAMES = (
    *("3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1"),
    *("3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0"),
    *("4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0", "4.4-IV0"),
)
OLDEST_METADATA_VERSION = 7
LEVELS: Mapping[str, int] = {name: level for level, name in enumerate(_NAMES, OLDEST_METADATA_VERSION)}
NAMES: Mapping[int, str] = {level: name for name, level in LEVELS.items()}
LATEST_METADATA_VERSION = LEVELS["4.3-IV0"]

# Levels that changed the records of the metadata: going back past one of them would lose something.
_CHANGED = ("3.3-IV3", "3.4-IV0", "3.5-IV2", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV2", "4.0-IV1", "4.3-IV0")
CHANGED_METADATA = frozenset(LEVELS[name] for name in _CHANGED)

# What a metadata.version brought, where our code asks for it.
DIRECTORIES_SINCE = LEVELS["3.7-IV2"]
CONTROLLER_REGISTRATION_SINCE = LEVELS["3.7-IV0"]
TRANSACTIONS_SINCE = LEVELS["3.6-IV1"]
CORDONED_SINCE = LEVELS["4.3-IV0"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature besides metadata.version.

    since  for each level from 0: the metadata.version whose clusters have it by default
    needs  for a level: the levels that other features must have first
    built  whether this server does what the feature says
    """

    name: str
    since: tuple[int, ...]
    needs: Mapping[int, Mapping[str, int]]
    built: bool = False

    @property
    def highest(self) -> int:
        return len(self.since) - 1

    def default(self, metadata_version: int) -> int:
        """The level of a new cluster."""
        return max(level for level, since in enumerate(self.since) if since <= metadata_version)


def _feature(name: str, *since: str, built: bool = False, needs: Mapping[int, Mapping[str, int]] = {}) -> Feature:
    return Feature(name, (OLDEST_METADATA_VERSION, *(LEVELS[each] for each in since)), needs, built)


# In the order in which Kafka's tools list them.
FEATURES: Mapping[str, Feature] = {
    feature.name: feature
    for feature in (
        _feature(KRAFT_VERSION, "3.9-IV0", built=True),
        _feature(TRANSACTION_VERSION, "4.0-IV2", "4.0-IV2", built=True),
        _feature(GROUP_VERSION, "4.0-IV0", built=True),
        _feature(ELR_VERSION, "4.1-IV0", needs={1: {METADATA_VERSION: LEVELS["4.0-IV1"]}}, built=True),
        _feature(SHARE_VERSION, "4.2-IV0"),
        _feature(STREAMS_VERSION, "4.2-IV1"),
    )
}

# What this server says it supports: (lowest level, highest level). Features that are not built are not in it.
SUPPORTED: Mapping[str, tuple[int, int]] = {
    METADATA_VERSION: (OLDEST_METADATA_VERSION, LATEST_METADATA_VERSION),
    **{name: (0, feature.highest) for name, feature in FEATURES.items() if feature.built},
}

# What it says when it registers: levels of which it can be a node of a cluster. A controller takes no broker that does
# not name every feature that is on. Those that are not built rule coordinators alone; clients hear of SUPPORTED only.
TAKEN: Mapping[str, tuple[int, int]] = {
    METADATA_VERSION: SUPPORTED[METADATA_VERSION],
    **{name: (0, feature.highest) for name, feature in FEATURES.items()},
}


def metadata_version(text: str) -> int:
    """The level of a release (`4.2`, its last level) or of a version's own name (`4.2-IV0`).

    Raises ValueError, in Kafka's words: no such version.
    """
    if text in LEVELS:
        return LEVELS[text]
    of_release = [level for name, level in LEVELS.items() if name.startswith(f"{text}-IV")]
    if not of_release:
        raise ValueError(f"Unknown metadata.version '{text}'. Supported metadata.version are: {', '.join(LEVELS)}")
    return of_release[-1]


def defaults(metadata_version: int) -> dict[str, int]:
    """The level of each feature in a new cluster, without those that are off and without kraft.version.

    The quorum keeps kraft.version in its own records, so it is no part of the metadata.
    """
    levels = {name: each.default(metadata_version) for name, each in FEATURES.items() if name != KRAFT_VERSION}
    return {METADATA_VERSION: metadata_version} | {name: level for name, level in sorted(levels.items()) if level}
