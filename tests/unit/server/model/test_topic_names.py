import pytest

from server.model import topic_names
from server.model.errors import ErrorCode, Rejected


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "__consumer_offsets", "...", "x" * 249])
def test_a_name_is_legal(name: str) -> None:
    topic_names.check(name)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "the empty string is not allowed"),
        (".", "'.' is not allowed"),
        ("..", "'..' is not allowed"),
        ("x" * 250, f"the length of '{'x' * 250}' is longer than the max allowed length 249"),
        ("a b", "'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
        ("é", "'é' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
        ("a\n", "'a\n' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
    ],
)
def test_a_name_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(Rejected) as refused:
        topic_names.check(name)
    assert refused.value.code is ErrorCode.INVALID_TOPIC_EXCEPTION
    assert refused.value.message == f"Topic name is invalid: {complaint}"


def test_dots_and_underscores_are_one_to_metrics() -> None:
    assert topic_names.folded("a.b_c") == topic_names.folded("a_b.c")
    assert [topic_names.may_collide(name) for name in ("a.b", "a_b", "a-b")] == [True, True, False]
