"""Features and releases. Words and answers are those of Apache Kafka 4.3.1's StorageTool."""

import pytest

from kcli.errors import Failure
from kcli.formats import features
from kcli.model import Level


def started(
    release: str | None = None, *levels: str, unstable: bool = False, dynamic: bool = False
) -> tuple[Level, ...]:
    asked = {name: int(level) for name, level in (text.split("=") for text in levels)}
    return features.of_new_cluster(release, asked, unstable=unstable, dynamic_quorum=dynamic)


def test_a_release_means_its_last_level() -> None:
    assert started("3.9") == (Level("metadata.version", 21, "3.9-IV0"),)
    assert started("4.0")[0] == Level("metadata.version", 25, "4.0-IV3")


def test_levels_that_were_asked_for_win_and_zero_is_left_out() -> None:
    assert started("4.0", "group.version=0", "transaction.version=1")[1:] == (Level("transaction.version", 1),)


def test_kraft_version_is_never_among_the_metadatas() -> None:
    assert started(None, "kraft.version=1", dynamic=True) == started(dynamic=True)


def test_unfinished_releases_may_be_allowed() -> None:
    assert started("4.4-IV0", unstable=True)[0].level == 31
    assert started(None, "metadata.version=31", unstable=True)[0].release == "4.4-IV0"


@pytest.mark.parametrize(
    ("release", "asked", "dynamic", "words"),
    [
        ("4.4-IV0", "", False, "Unknown metadata.version '4.4-IV0'. Supported metadata.version are: 3.3-IV3, "),
        ("9.9", "", False, "Unknown metadata.version '9.9'."),
        ("4.0", "metadata.version=25", False, "Use --release-version instead of --feature metadata.version=X"),
        (None, "metadata.version=99", False, "No MetadataVersion with feature level 99. Valid feature "),
        (None, "metadata.version=31", False, "metadata.version 4.4-IV0 is not yet stable."),
        (None, "no.such=1", False, "Unsupported feature: no.such. Supported features are: eligible.leader"),
        (None, "kraft.version=0", True, "Cannot set kraft.version to 0 if controller.quorum.voters is empty"),
        (None, "kraft.version=1", False, "Cannot set kraft.version to 1 unless controller.quorum.voters is empty"),
        (None, "kraft.version=2", True, "No feature:kraft.version with feature level 2"),
        (None, "transaction.version=9", False, "No feature:transaction.version with feature level 9"),
        (
            "3.9",
            "eligible.leader.replicas.version=1",
            False,
            "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23",
        ),
    ],
)  # fmt: skip
def test_levels_that_cannot_be_are_refused(release: str | None, asked: str, dynamic: bool, words: str) -> None:
    with pytest.raises(Failure) as refused:
        started(release, *asked.split(), dynamic=dynamic)
    assert refused.value.message.startswith(words)


def test_an_unfinished_release_is_not_named_where_it_may_not_be_taken() -> None:
    with pytest.raises(Failure) as refused:
        started("banana")
    assert refused.value.message.endswith(", 4.3-IV0")
    with pytest.raises(Failure) as refused:
        features.mapping("banana")
    assert refused.value.message.endswith(", 4.3-IV0, 4.4-IV0")
