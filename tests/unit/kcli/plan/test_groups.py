"""Which groups and partitions are meant, and how far groups are."""

import pytest

from kcli.errors import Usage
from kcli.model import Broker, Partition, Topic
from kcli.model.groups import Committed, Group, Member, Standing
from kcli.plan import groups, regexes


@pytest.mark.parametrize(
    ("text", "expected"),
    [("stable", {"Stable"}), (" STABLE , empty ", {"Stable", "Empty"}), ("dead,", {"Dead"})],
)
def test_states_are_read_in_any_case(text: str, expected: set[str]) -> None:
    assert groups.states(text) == expected


@pytest.mark.parametrize("text", ["bogus", " ", "stable,,empty", "stable bogus", ","])
def test_a_state_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Usage, match="Invalid state list"):
        groups.states(text)


def test_scopes_are_topics_or_some_of_their_partitions() -> None:
    assert groups.scopes(["t", "u:2,0,2"]) == (("t", None), ("u", (2, 0)))
    rows = tuple(Partition(index, 1, (1,), (1,)) for index in range(2))
    wanted = groups.scopes(["t", "u:5", "t:1"])
    assert groups.partitions(wanted, [Topic("t", "", rows)]) == (("t", 0), ("t", 1), ("u", 5))


@pytest.mark.parametrize("text", ["t:", "t:x", "t:1,", "t:1:2"])
def test_partitions_of_a_scope_are_numbers(text: str) -> None:
    with pytest.raises(Usage, match="Invalid partition"):
        groups.scopes([text])


def test_members_with_most_partitions_come_first_and_what_nobody_has_last() -> None:
    few = Member("a", None, "c", "h", (("t", 2),))
    many = Member("b", None, "c", "h", (("t", 0), ("t", 1)))
    idle = Member("c", None, "c", "h", ())
    group = Group("g", "Classic", "Stable", "range", (few, idle, many), Broker(1, "h", 1))
    committed = {("t", 1): Committed(4), ("u", 0): Committed(9)}
    rows = groups.standings(group, committed, {("t", 0): 5, ("t", 1): 6})
    assert rows == (
        Standing("t", 0, None, 5, many),
        Standing("t", 1, Committed(4), 6, many),
        Standing("t", 2, None, None, few),
        Standing("u", 0, Committed(9), None, None),
    )
    assert [row.lag for row in rows] == [None, 2, None, None]


@pytest.mark.parametrize(
    "text", ["", "ord.*", "(a|b)+c{2,3}", r"[\w.-]+", r"\pL+", "[[:alpha:]]", r"\Qa.b\E", "(?i)x", "x*?"]
)
def test_an_expression_of_re2_is_fine(text: str) -> None:
    assert regexes.trouble(text) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ord[.*", "missing closing ]"),
        ("(a", "missing closing )"),
        ("a)", "unexpected )"),
        ("*a", "missing argument to repetition operator"),
        ("a**", "invalid nested repetition operator"),
        ("a++", "invalid nested repetition operator"),
        ("(?=a)", "invalid or unsupported Perl syntax"),
        ("(?<!a)b", "invalid or unsupported Perl syntax"),
        (r"(a)\1", "invalid escape sequence"),
        ("a\\", "trailing backslash at end of expression"),
        ("a{1001}", "invalid repeat count"),
        ("[b-a]", "invalid character class range"),
    ],
)
def test_what_re2_has_not_is_told(text: str, told: str) -> None:
    assert regexes.trouble(text) == told
