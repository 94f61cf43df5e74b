"""Refusals are those that features.record shows of Apache Kafka 4.3.1."""

from dataclasses import replace

import pytest

from server.metadata import records as r
from server.metadata.controller import features
from server.metadata.controller.decision import Decision
from server.metadata.controller.features import Quorum, Upgrade
from server.model.errors import ErrorCode
from server.model.ids import NodeId
from server.model.settings.kinds import ResourceType
from server.wire.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse
from tests.unit.server.metadata.worlds import World

UP, DOWN, UNSAFE = Upgrade.UPGRADE, Upgrade.SAFE_DOWNGRADE, Upgrade.UNSAFE_DOWNGRADE
METADATA, ELR, KRAFT = "metadata.version", "eligible.leader.replicas.version", "kraft.version"
STATIC = Quorum(0, lambda level: "not all of them")


def update(world: World, *rows: tuple[str, int, int], dry: bool = False) -> UpdateFeaturesResponse:
    request = UpdateFeaturesRequest(
        feature_updates=[FeatureUpdateKey(name, level, upgrade_type=kind) for name, level, kind in rows],
        validate_only=dry,
    )
    decision = features.update(world.image, world.static, request, node_id=NodeId(0), quorum=STATIC)
    world.append(decision.records)
    return decision.response


def done() -> UpdateFeaturesResponse:
    return UpdateFeaturesResponse(error_message=None)


def test_a_level_that_is_already_there_is_no_change() -> None:
    world = World(0)
    before = world.image
    assert update(world, (METADATA, 30, UP), (ELR, 1, UP), (KRAFT, 0, UP)) == done()
    assert world.image is before


def test_levels_go_down_and_up_again() -> None:
    world = World(0)
    assert update(world, (ELR, 0, DOWN)) == done()
    assert world.batches[-1][1] == (r.FeatureLevelRecord(ELR, 0),)
    assert ELR not in world.image.features
    assert update(world, (ELR, 1, UP)) == done()
    assert world.image.feature(ELR) == 1


def test_an_old_request_says_downgrade_in_its_own_way() -> None:
    world = World(0)
    row = FeatureUpdateKey(ELR, 0, allow_downgrade=True)
    request = UpdateFeaturesRequest(feature_updates=[row])
    decision = features.update(world.image, {}, request, node_id=NodeId(0), quorum=STATIC)
    assert decision.records == (r.FeatureLevelRecord(ELR, 0),)


def test_validation_alone_changes_nothing() -> None:
    world = World(0)
    before = world.image
    assert update(world, (ELR, 0, DOWN), dry=True) == done()
    assert world.image is before


def test_eligible_leader_replicas_start_with_one_number_for_all_brokers() -> None:
    world = World(0, elr=False)
    world.join(1)
    world.static["min.insync.replicas"] = "2"
    world.append((r.ConfigRecord(ResourceType.BROKER, "1", "min.insync.replicas", "3"),))
    update(world, (ELR, 1, UP))
    assert world.batches[-1][1] == (
        r.FeatureLevelRecord(ELR, 1),
        r.ConfigRecord(ResourceType.BROKER, "", "min.insync.replicas", "2"),
        r.ConfigRecord(ResourceType.BROKER, "1", "min.insync.replicas", None),
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            (ELR, 0, UP),
            f"Invalid update version 0 for feature {ELR}. Can't downgrade the version of this feature without setting "
            "the upgrade type to either safe or unsafe downgrade.",
        ),
        ((ELR, 9, UP), f"Invalid update version 9 for feature {ELR}. Local controller 0 only supports versions 0-1"),
        ((ELR, -1, DOWN), f"Invalid update version -1 for feature {ELR}. A feature version cannot be less than 0."),
        (
            ("no.such.feature", 1, UP),
            "Invalid update version 1 for feature no.such.feature. Local controller 0 does not support this feature.",
        ),
        (
            (ELR, 1, 0),
            f"Invalid update version 1 for feature {ELR}. The controller does not support the given upgrade type.",
        ),
        ((KRAFT, 1, DOWN), f"Invalid update version 1 for feature {KRAFT}. Can't downgrade to a newer version."),
        ((KRAFT, 1, UP), "not all of them"),
        (
            (METADATA, 27, DOWN),
            "Unsupported metadata.version downgrade from 30 to 27. Refusing to perform the requested downgrade because "
            "it might delete metadata information.",
        ),
        (
            (METADATA, 20, UNSAFE),
            "Unsupported metadata.version downgrade from 30 to 20. Unsafe metadata downgrade is not supported in this "
            "version.",
        ),
        (
            (METADATA, 0, DOWN),
            "Invalid update version 0 for feature metadata.version. Local controller 0 only supports versions 7-30",
        ),
    ],
)
def test_an_update_is_refused_and_with_it_all_others(row: tuple[str, int, int], message: str) -> None:
    world = World(0)
    before = world.image
    answer = update(world, (ELR, 0, DOWN) if row[0] != ELR else (METADATA, 30, UP), row)
    assert answer == UpdateFeaturesResponse(
        error_code=ErrorCode.INVALID_UPDATE_VERSION,
        error_message=f"The update failed for all features since the following feature had an error: {message}",
    )
    assert world.image is before


def test_metadata_goes_down_where_nothing_would_be_lost() -> None:
    world = World(0)
    world.append((r.FeatureLevelRecord(METADATA, 29),))
    assert update(world, (METADATA, 26, DOWN)) == done()
    assert world.image.metadata_version == 26


def test_a_level_needs_those_it_builds_on_or_has_them_in_the_same_request() -> None:
    world = World(0, elr=False)
    world.append((r.FeatureLevelRecord(METADATA, 22),))
    assert update(world, (ELR, 1, UP)).error_message == (
        "The update failed for all features since the following feature had an error: Invalid update version 1 for "
        f"feature {ELR}. {ELR} could not be set to 1 because it depends on metadata.version level 23"
    )
    assert update(world, (METADATA, 30, UP), (ELR, 1, UP)) == done()


def test_every_node_must_know_the_level() -> None:
    world = World(0, elr=False)
    old = r.RegisterBrokerRecord(NodeId(1), features=(r.FeatureRange(METADATA, 7, 30),))
    world.append((old,))
    assert "Broker 1 does not support this feature." in (update(world, (ELR, 1, UP)).error_message or "")
    world.append((r.RegisterBrokerRecord(NodeId(1), features=(r.FeatureRange(ELR, 0, 1),)),))
    controller = r.RegisterControllerRecord(NodeId(2), features=(r.FeatureRange(ELR, 0, 0),))
    world.append((controller,))
    assert "Controller 2 only supports versions 0-0" in (update(world, (ELR, 1, UP)).error_message or "")
    world.append((r.RegisterControllerRecord(NodeId(2), features=(r.FeatureRange(ELR, 0, 1),)),))
    assert update(world, (ELR, 1, UP)) == done()


def test_the_quorum_raises_its_own_level_once_all_is_granted() -> None:
    """kraft.version is no part of the metadata: its level is a record of the quorum's own."""
    world = World(0)
    ready = Quorum(0, lambda level: None)
    request = UpdateFeaturesRequest(feature_updates=[FeatureUpdateKey(KRAFT, 1), FeatureUpdateKey(ELR, 1)])
    decision = features.update(world.image, {}, request, node_id=NodeId(0), quorum=ready)
    assert decision == Decision((), done())
    assert features.raised(request, decision.response, ready) == 1
    assert features.raised(replace(request, validate_only=True), decision.response, ready) is None
    assert features.raised(request, UpdateFeaturesResponse(error_code=1), ready) is None
    assert features.raised(request, decision.response, Quorum(1, lambda level: None)) is None
