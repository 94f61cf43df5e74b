"""Features and releases: what `kcli storage` asks of the server's table of features. Refusals are Kafka's words."""

from collections.abc import Mapping

from kcli.errors import Failure
from kcli.model import Level
from server.model import features as table
from server.model.features import FEATURES, KRAFT_VERSION, LATEST_METADATA_VERSION, LEVELS, METADATA_VERSION, NAMES

LATEST = NAMES[LATEST_METADATA_VERSION]
SCRAM_SINCE = LEVELS["3.5-IV2"]


def mapping(release: str | None) -> tuple[Level, ...]:
    """The levels that a cluster of `release` starts with. Raises Failure: no such release."""
    release = release or LATEST
    level = _level_of(release, with_unstable=True)
    return (
        Level(METADATA_VERSION, level, release),
        *(Level(name, feature.default(level)) for name, feature in FEATURES.items()),
    )


def dependencies(name: str, level: int) -> tuple[Level, tuple[Level, ...]]:
    """A feature's level, and what it needs. Raises Failure: no such feature, no such level."""
    if name == METADATA_VERSION:
        if level not in NAMES:
            raise Failure(f"Unknown metadata.version {level}")
        return Level(name, level, NAMES[level]), ()
    if name not in FEATURES:
        raise Failure(f"Unknown feature: {name}")
    if not 0 <= level <= FEATURES[name].highest:
        raise Failure(f"Feature level {level} is not supported for feature {name}")
    needs = FEATURES[name].needs.get(level, {})
    return Level(name, level), tuple(Level(*each, _release(*each)) for each in needs.items())


def of_new_cluster(
    release: str | None, asked: Mapping[str, int], *, unstable: bool, dynamic_quorum: bool
) -> tuple[Level, ...]:
    """The features that a new cluster starts with: metadata.version first, then the others by name, if above 0.

    release         by default what `asked` says of metadata.version, else the latest
    unstable        whether releases that are not finished may be taken
    dynamic_quorum  whether kraft.version is 1
    Raises Failure: levels that there are not, or that need others.
    """
    level = _metadata_level(release, asked, unstable=unstable)
    others = {name: each for name, each in asked.items() if name != METADATA_VERSION}
    for name in others:
        if name not in FEATURES:
            known = ", ".join(sorted(FEATURES))
            raise Failure(f"Unsupported feature: {name}. Supported features are: {known}")
    _check_kraft_version(others.get(KRAFT_VERSION), dynamic_quorum)
    levels = table.defaults(level) | others
    for name in others:
        _check(name, levels)
    levels = {name: each for name, each in levels.items() if each and name not in (KRAFT_VERSION, METADATA_VERSION)}
    return (Level(METADATA_VERSION, level, NAMES[level]), *(Level(*each) for each in sorted(levels.items())))


def _metadata_level(release: str | None, asked: Mapping[str, int], *, unstable: bool) -> int:
    if METADATA_VERSION not in asked:
        return _level_of(release, with_unstable=unstable) if release else LATEST_METADATA_VERSION
    if release:
        raise Failure("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.")
    level = asked[METADATA_VERSION]
    if level not in NAMES:
        valid = f"Valid feature levels are from {min(NAMES)} to {max(NAMES)}."
        raise Failure(f"No MetadataVersion with feature level {level}. {valid}")
    if level > LATEST_METADATA_VERSION and not unstable:
        raise Failure(f"metadata.version {NAMES[level]} is not yet stable.")
    return level


def _level_of(release: str, *, with_unstable: bool) -> int:
    known = [name for name, level in LEVELS.items() if with_unstable or level <= LATEST_METADATA_VERSION]
    try:
        level = table.metadata_version(release)
    except ValueError:
        level = None
    if level is None or NAMES[level] not in known:
        advice = "An id such as 4.3 or 4.3-IV0 is meant."
        raise Failure(
            f"Unknown metadata.version '{release}'. Supported metadata.version are: {', '.join(known)}", advice
        )
    return level


def _check_kraft_version(level: int | None, dynamic_quorum: bool) -> None:
    if level is None:
        return
    if level == 0 and dynamic_quorum:
        raise Failure(
            "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, "
            "--initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing "
            "the --feature flag for kraft.version."
        )
    if level > 0 and not dynamic_quorum:
        raise Failure(
            f"Cannot set kraft.version to {level} unless controller.quorum.voters is empty and one of the flags "
            "--standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers "
            "support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and removing "
            "controller.quorum.voters."
        )


def _check(name: str, levels: Mapping[str, int]) -> None:
    level, feature = levels[name], FEATURES[name]
    if not 0 <= level <= feature.highest:
        raise Failure(f"No feature:{name} with feature level {level}")
    for needed, at_least in feature.needs.get(level, {}).items():
        if levels.get(needed, 0) < at_least:
            raise Failure(f"{name} could not be set to {level} because it depends on {needed} level {at_least}")


def _release(name: str, level: int) -> str | None:
    return NAMES[level] if name == METADATA_VERSION else None
