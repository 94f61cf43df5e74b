"""Expressions of subscriptions: the same matches as Python's own, none of what RE2 refuses, and never slow."""

import re
from random import Random

import pytest

from server.groups.consumer.regex import check, matching
from server.model.errors import ErrorCode, Rejected

NAMES = ["", "a", "b", "ab", "abc", "aab", "a.b", "a-b_c", "A", "Topic-1", "topic-12", "xyz", "aaaa", "abab"]
EXPRESSIONS = (
    "a",
    "a*",
    "(ab)*",
    "a|b",
    "a(b|c)?",
    ".*",
    "",
    "[^a]*",
    "[a-c]+",
    r"\w+",
    r"[\w.-]*\d",
    "(?i)topic-1.?",
    "(?i:A)b?",
    "a{2,3}b?",
    "(a|b){2}",
    "^a.*c$",
    "a+?",
    "(?:x|(y))*z|xyz",
    r"\D\.\D",
    "(?i)[^t].*",
    "()*a",
)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_it_matches_whole_names_as_pythons_own(expression: str) -> None:
    assert matching(expression, NAMES) == {name for name in NAMES if re.fullmatch(expression, name)}


def test_random_expressions_match_as_pythons_own() -> None:
    rng = Random(1)

    def make(depth: int) -> str:
        if depth == 0:
            return rng.choice(["a", "b", ".", "[ab]", "[^a]", "^", "$"])
        left, right = make(depth - 1), make(depth - 1)
        return rng.choice([f"{left}{right}", f"(?:{left}|{right})", f"(?:{left})*", f"(?:{left}){{1,2}}{right}"])

    for _ in range(300):
        expression = make(3)
        names = ["".join(rng.choices("ab", k=rng.randrange(6))) for _ in range(8)]
        assert matching(expression, names) == {name for name in names if re.fullmatch(expression, name)}, expression


@pytest.mark.parametrize(
    "expression",
    ["(", "a{2,1}", r"(a)\1", "(?=a)a", "(?<!b)a", "*", "[b-a]", r"\ba", "a" * 5_000, "((a{100}){100}){100}", "(?>a)"],
)
def test_what_cannot_be_matched_in_linear_time_or_read_is_refused(expression: str) -> None:
    with pytest.raises(Rejected) as caught:
        check(expression)
    assert caught.value.code is ErrorCode.INVALID_REGULAR_EXPRESSION


def test_an_expression_that_takes_others_forever_is_matched_at_once() -> None:
    assert matching("(a|a)*(a+)+b", ["a" * 249]) == frozenset()
