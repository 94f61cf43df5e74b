"""Which partitions and which place kcli get-offsets means."""

import pytest

from kcli.errors import Failure
from kcli.model.offsets import Cut
from kcli.plan import offsets

PARTITIONS = [(topic, index) for topic in ("orders", "orders-eu", "__consumer_offsets") for index in range(4)]


def chosen(rules: str, *, exclude_internal: bool = False) -> list[str]:
    wanted = offsets.by_rules(rules, exclude_internal=exclude_internal)
    return [f"{topic}:{index}" for topic, index in PARTITIONS if wanted(topic, index)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("orders", ["orders:0", "orders:1", "orders:2", "orders:3"]),
        ("orders:", ["orders:0", "orders:1", "orders:2", "orders:3"]),
        ("orders:2", ["orders:2"]),
        ("orders:1-3", ["orders:1", "orders:2"]),
        ("orders:2-", ["orders:2", "orders:3"]),
        ("orders:-1", ["orders:0"]),
        ("orders:-", ["orders:0", "orders:1", "orders:2", "orders:3"]),
        (":3", ["orders:3", "orders-eu:3", "__consumer_offsets:3"]),
        ("orders.*:3,__.*:0", ["orders:3", "orders-eu:3", "__consumer_offsets:0"]),
        ("orders:0, orders-eu:0", ["orders:0", "orders-eu:0"]),
    ],
)
def test_a_rule_names_partitions(rules: str, expected: list[str]) -> None:
    assert chosen(rules) == expected


def test_internal_topics_may_be_left_out_of_rules() -> None:
    assert chosen(":3", exclude_internal=True) == ["orders:3", "orders-eu:3"]


@pytest.mark.parametrize("rule", ["orders:a", "orders:1:2", "orders:1-2-3", "orders:+1"])
def test_a_rule_that_is_none_is_named(rule: str) -> None:
    with pytest.raises(Failure, match="Invalid rule specification"):
        offsets.by_rules(f"orders,{rule}", exclude_internal=False)


@pytest.mark.parametrize(
    ("text", "place"),
    [("latest", -1), ("earliest-pending-upload", -6), ("-9", -9), ("+5", 5), ("0", 0), (str(2**63 - 1), 2**63 - 1)],
)
def test_a_place_is_a_word_or_a_number(text: str, place: int) -> None:
    assert offsets.place(text) == place


@pytest.mark.parametrize("text", ["", "Latest", "1.5", "noon", str(2**63), "1 "])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="Malformed time argument"):
        offsets.place(text)


@pytest.mark.parametrize("text", ["a", "1,,2", "1,", "1.0"])
def test_partitions_are_numbers(text: str) -> None:
    with pytest.raises(Failure, match="--partitions expects a comma separated list"):
        offsets.by_topic("t", text, exclude_internal=False)


def test_partitions_are_sorted_as_texts() -> None:
    rows = [("t", 2), ("t", 10), ("t-1", 0), ("a", 3)]
    assert offsets.text_order(rows) == [("a", 3), ("t-1", 0), ("t", 10), ("t", 2)]


def test_nothing_is_cut_below_the_start() -> None:
    """A broker leaves the start where it is; -1 is the end."""
    wanted = {("t", 0): 3, ("t", 1): 9, ("t", 2): -1}
    starts, ends = dict.fromkeys(wanted, 5), dict.fromkeys(wanted, 12)
    assert offsets.cuts(wanted, starts, ends) == (
        Cut(("t", 0), 5, 5, 12),
        Cut(("t", 1), 5, 9, 12),
        Cut(("t", 2), 5, 12, 12),
    )
