"""Orders that Java's tools printed, Apache Kafka 4.3.1."""

import pytest

from kcli.render.java import hash_code, hash_order


@pytest.mark.parametrize(
    "printed",
    [
        ["manual", "conf", "first"],
        ["conf", "defaults", "manual", "first"],
        ["defaults", "a" * 249, "conf", "manual", "with.dot", "first", "empty"],
    ],
)
def test_topics_stand_in_the_order_of_a_hash_map(printed: list[str]) -> None:
    assert hash_order(sorted(printed)) == printed


def test_hash_code_is_java_s() -> None:
    assert [hash_code(text) for text in ("", "a", "orders", "\N{GRINNING FACE}")] == [0, 97, 3286196965, 1772899]
