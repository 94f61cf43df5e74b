"""Levels by release, as `kafka-features.sh version-mapping` of Apache Kafka 4.3.1 prints them."""

import pytest

from server.model import features
from server.model.features import FEATURES, LATEST_METADATA_VERSION, LEVELS, METADATA_VERSION, NAMES


def mapping(text: str) -> dict[str, int]:
    level = features.metadata_version(text)
    return {METADATA_VERSION: level} | {name: feature.default(level) for name, feature in FEATURES.items()}


@pytest.mark.parametrize(
    ("release", "levels"),
    [
        ("4.3", [30, 1, 2, 1, 1, 1, 1]),
        ("4.3-IV0", [30, 1, 2, 1, 1, 1, 1]),
        ("4.2", [29, 1, 2, 1, 1, 1, 1]),
        ("4.2-IV0", [28, 1, 2, 1, 1, 1, 0]),
        ("4.1", [27, 1, 2, 1, 1, 0, 0]),
        ("4.0", [25, 1, 2, 1, 0, 0, 0]),
        ("4.0-IV1", [23, 1, 0, 1, 0, 0, 0]),
        ("3.9", [21, 1, 0, 0, 0, 0, 0]),
        ("3.7-IV4", [19, 0, 0, 0, 0, 0, 0]),
        ("3.3", [7, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_a_release_has_its_levels(release: str, levels: list[int]) -> None:
    names = "metadata.version kraft.version transaction.version group.version eligible.leader.replicas.version "
    assert list(mapping(release).items()) == list(
        zip((names + "share.version streams.version").split(), levels, strict=True)
    )


def test_an_unknown_release_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"Unknown metadata.version '9.9'. Supported metadata.version are: 3.3-IV3, "):
        features.metadata_version("9.9")


def test_a_part_of_a_release_is_none() -> None:
    with pytest.raises(ValueError, match=r"Unknown metadata\.version '4'"):
        features.metadata_version("4")


def test_names_and_levels_run_from_7_to_31() -> None:
    assert list(LEVELS.values()) == list(range(7, 32))
    assert (NAMES[7], NAMES[30], LATEST_METADATA_VERSION) == ("3.3-IV3", "4.3-IV0", 30)


def test_a_new_clusters_levels_leave_out_what_is_off_and_what_the_quorum_keeps() -> None:
    assert list(features.defaults(25).items()) == [
        ("metadata.version", 25),
        ("group.version", 1),
        ("transaction.version", 2),
    ]


def test_what_is_supported_is_built() -> None:
    assert features.SUPPORTED == {
        "metadata.version": (7, 30),
        "kraft.version": (0, 1),
        "transaction.version": (0, 2),
        "group.version": (0, 1),
        "eligible.leader.replicas.version": (0, 1),
    }


def test_this_server_registers_with_every_feature_that_a_new_cluster_has_on() -> None:
    """Kafka's controller takes no broker that leaves one out."""
    on = features.defaults(LATEST_METADATA_VERSION)
    assert {name: features.TAKEN[name][1] for name in on} == on
    assert all(features.TAKEN[name] == levels for name, levels in features.SUPPORTED.items())
