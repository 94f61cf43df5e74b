"""Java's Properties.load, by its documentation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.model.properties import BadProperties, Property, parse, parsed, written


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a=b", "a", "b"),
        ("a:b", "a", "b"),
        ("a b", "a", "b"),
        ("  a  =  b  ", "a", "b  "),
        ("a\t:\tb=c", "a", "b=c"),
        ("a", "a", ""),
        ("a=", "a", ""),
        ("=b", "", "b"),
        ("a = = b", "a", "= b"),
        (r"a\ b\=c=d", "a b=c", "d"),
        (r"path=C:\\dir", "path", "C:\\dir"),
        (r"a=\t\n\r\f\z", "a", "\t\n\r\fz"),
        (r"a=\u00e9A\u263A", "a", "éA☺"),
        ("a=b # no comment", "a", "b # no comment"),
        ("a=one,\\\n   two", "a", "one,two"),
        ("a=one\\\r\n two", "a", "one two".replace(" ", "")),
        (r"a=b\\", "a", "b\\"),
        ("a=b\\", "a", "b"),
        ("\\ a=b", " a", "b"),
        ("a\\\nb=c", "ab", "c"),
        ("a=${env:X}", "a", "${env:X}"),
    ],
)
def test_a_line_is_a_name_and_a_value(text: str, name: str, value: str) -> None:
    assert parse(text) == [Property(name, value, 1)]


def test_comments_and_empty_lines_are_left_out_and_lines_are_counted() -> None:
    text = "# one\n\n  ! two\r\na=1\rb=\\\n# not a comment\n\nc=3"
    assert parse(text) == [Property("a", "1", 4), Property("b", "# not a comment", 5), Property("c", "3", 8)]


def test_a_comment_is_not_continued() -> None:
    assert parsed("# one \\\na=1") == {"a": "1"}


def test_the_last_one_holds() -> None:
    assert parsed("a=1\na=2") == {"a": "2"}


def test_a_broken_escape_is_refused_with_its_line() -> None:
    with pytest.raises(BadProperties, match=r"Malformed \\uxxxx encoding\.") as refused:
        parse("a=1\nb=\\u12")
    assert refused.value.line == 2


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_is_written_is_read_back(properties: dict[str, str]) -> None:
    assert parsed(written(properties)) == properties
