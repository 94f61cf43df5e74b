"""What the active controller decides about the levels of features.

All updates of a request are made, or none. A level must be known to this controller and to every registered node; the
metadata.version goes down only where no record would be lost.

Source: KIP-584, KIP-778, KIP-1022; the words of refusals are Kafka's.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from server.metadata import settings
from server.metadata.controller.decision import Decision
from server.metadata.image import Image
from server.metadata.records import ConfigRecord, FeatureLevelRecord, FeatureRange, Record
from server.model.errors import ErrorCode, Rejected
from server.model.features import (
    CHANGED_METADATA,
    CONTROLLER_REGISTRATION_SINCE,
    ELR_VERSION,
    FEATURES,
    KRAFT_VERSION,
    METADATA_VERSION,
    SUPPORTED,
)
from server.model.ids import NodeId
from server.model.settings.kinds import ResourceType, text_of
from server.wire.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse

MIN_INSYNC = "min.insync.replicas"


class Upgrade(IntEnum):
    UNKNOWN = 0
    UPGRADE = 1
    SAFE_DOWNGRADE = 2
    UNSAFE_DOWNGRADE = 3


class Quorum(NamedTuple):
    """What the quorum of controllers says of its own level, which it keeps in its own records.

    refusal  why it cannot be raised to a level, in Kafka's words; None: it can
    """

    kraft_version: int
    refusal: Callable[[int], str | None]


def update(
    image: Image, static: settings.Static, request: UpdateFeaturesRequest, *, node_id: NodeId, quorum: Quorum
) -> Decision[UpdateFeaturesResponse]:
    """Set the levels of features.

    node_id  of this controller, for the words of refusals
    quorum   raises its own level itself, where `raised` says so
    The answer's error: INVALID_UPDATE_VERSION.
    """
    levels = {**image.features, KRAFT_VERSION: quorum.kraft_version}
    wanted = {row.feature: row.max_version_level for row in request.feature_updates}
    records: list[Record] = []
    try:
        for row in request.feature_updates:
            _check(image, row, levels, wanted, node_id)
            if row.feature == KRAFT_VERSION and row.max_version_level > quorum.kraft_version:
                _check_quorum(row.max_version_level, quorum)
            elif row.max_version_level != levels.get(row.feature, 0):
                records.append(FeatureLevelRecord(row.feature, row.max_version_level))
    except Rejected as refused:
        message = f"The update failed for all features since the following feature had an error: {refused.message}"
        return Decision((), UpdateFeaturesResponse(error_code=refused.code, error_message=message))
    if wanted.get(ELR_VERSION) and not image.feature(ELR_VERSION):
        records += _before_elr(image, static)
    return Decision(() if request.validate_only else tuple(records), UpdateFeaturesResponse(error_message=None))


def _check(
    image: Image, row: FeatureUpdateKey, levels: Mapping[str, int], wanted: Mapping[str, int], node_id: NodeId
) -> None:
    """Whether one feature can go to that level. Raises Rejected(INVALID_UPDATE_VERSION)."""
    kind = Upgrade.SAFE_DOWNGRADE if row.allow_downgrade else row.upgrade_type
    now, level = levels.get(row.feature, 0), row.max_version_level
    complaint = None
    if kind not in (Upgrade.UPGRADE, Upgrade.SAFE_DOWNGRADE, Upgrade.UNSAFE_DOWNGRADE):
        complaint = "The controller does not support the given upgrade type."
    elif level < 0:
        complaint = "A feature version cannot be less than 0."
    elif unsupported := next(_unsupported(image, row.feature, level, node_id), None):
        complaint = unsupported
    elif level < now and kind == Upgrade.UPGRADE:
        complaint = (
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
            "downgrade."
        )
    elif level > now and kind != Upgrade.UPGRADE:
        complaint = "Can't downgrade to a newer version."
    elif row.feature == KRAFT_VERSION and level < now:
        complaint = "Can't downgrade the version of this feature."
    elif row.feature == METADATA_VERSION and level < now:
        _check_downgrade(now, level, unsafe=kind == Upgrade.UNSAFE_DOWNGRADE)
    else:
        complaint = _missing(row.feature, level, {**levels, **wanted})
    if complaint:
        raise Rejected(
            ErrorCode.INVALID_UPDATE_VERSION, f"Invalid update version {level} for feature {row.feature}. {complaint}"
        )


def _check_quorum(level: int, quorum: Quorum) -> None:
    refusal = quorum.refusal(level)
    if refusal:
        raise Rejected(ErrorCode.INVALID_UPDATE_VERSION, refusal)


def raised(request: UpdateFeaturesRequest, response: UpdateFeaturesResponse, quorum: Quorum) -> int | None:
    """The level that the quorum is to be raised to, now that the request is granted; None: it stays."""
    if response.error_code or request.validate_only:
        return None
    levels = (row.max_version_level for row in request.feature_updates if row.feature == KRAFT_VERSION)
    return next((level for level in levels if level > quorum.kraft_version), None)


def _unsupported(image: Image, feature: str, level: int, node_id: NodeId) -> Iterator[str]:
    """Who does not know this level of a feature, in words."""
    yield from _outside(f"Local controller {node_id}", SUPPORTED.get(feature), level)
    for broker in image.brokers.values():
        yield from _outside(f"Broker {broker.broker_id}", _range(broker.features, feature), level)
    if image.metadata_version >= CONTROLLER_REGISTRATION_SINCE:
        for controller in image.controllers.values():
            if controller.controller_id != node_id:
                found = _range(controller.features, feature)
                yield from _outside(f"Controller {controller.controller_id}", found, level)


def _range(features: tuple[FeatureRange, ...], name: str) -> tuple[int, int] | None:
    found = next((each for each in features if each.name == name), None)
    return None if found is None else (found.min_supported_version, found.max_supported_version)


def _outside(who: str, levels: tuple[int, int] | None, level: int) -> Iterator[str]:
    if levels is None:
        yield f"{who} does not support this feature."
    elif not levels[0] <= level <= levels[1]:
        yield f"{who} only supports versions {levels[0]}-{levels[1]}"


def _check_downgrade(now: int, level: int, *, unsafe: bool) -> None:
    if not any(changed in CHANGED_METADATA for changed in range(level + 1, now + 1)):
        return
    complaint = (
        "Unsafe metadata downgrade is not supported in this version."
        if unsafe
        else "Refusing to perform the requested downgrade because it might delete metadata information."
    )
    raise Rejected(
        ErrorCode.INVALID_UPDATE_VERSION, f"Unsupported metadata.version downgrade from {now} to {level}. {complaint}"
    )


def _missing(feature: str, level: int, levels: Mapping[str, int]) -> str | None:
    """Which other feature must go up first."""
    needs = FEATURES[feature].needs.get(level, {}) if feature in FEATURES else {}
    return next(
        (
            f"{feature} could not be set to {level} because it depends on {other} level {least}"
            for other, least in needs.items()
            if levels.get(other, 0) < least
        ),
        None,
    )


def _before_elr(image: Image, static: settings.Static) -> Iterator[Record]:
    """Eligible leader replicas go by one min.insync.replicas for all brokers: make it so."""
    if MIN_INSYNC not in image.config(ResourceType.BROKER, ""):
        value = settings.broker_settings(image, static).value(MIN_INSYNC)
        yield ConfigRecord(ResourceType.BROKER, "", MIN_INSYNC, text_of(value))
    for resource, values in image.configs.items():
        if resource.type == ResourceType.BROKER and resource.name and MIN_INSYNC in values:
            yield ConfigRecord(ResourceType.BROKER, resource.name, MIN_INSYNC, None)
