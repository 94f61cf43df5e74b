"""Java's .properties, addresses, and whom a client asks when nobody says."""

from pathlib import Path

import pytest

from kcli import properties
from kcli.errors import Setup
from kcli.properties import Connection, Entry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", [("a", "b")]),
        ("a = b ", [("a", "b ")]),
        ("a:b", [("a", "b")]),
        ("a b", [("a", "b")]),
        ("a", [("a", "")]),
        ("a=", [("a", "")]),
        ("=b", [("", "b")]),
        ("a==b", [("a", "=b")]),
        ("  \t a=b", [("a", "b")]),
        ("# a=b\n! c=d\n\n  # e", []),
        ("a=b # c", [("a", "b # c")]),
        ("a=b\\\n   c", [("a", "bc")]),
        ("a=b\\\\\nc=d", [("a", "b\\"), ("c", "d")]),
        ("a=b\\\n# c", [("a", "b# c")]),
        ("a=b\\", [("a", "b")]),
        ("a=\\t\\n\\u00e9\\q", [("a", "\t\néq")]),
        ("a\\=b=c", [("a=b", "c")]),
        ("a\\ b\\:c d", [("a b:c", "d")]),
        ("a=1\na=2", [("a", "1"), ("a", "2")]),
        ("a=1\r\nb=2\rc=3", [("a", "1"), ("b", "2"), ("c", "3")]),
    ],
)
def test_properties_are_read_as_java_reads_them(text: str, expected: list[tuple[str, str]]) -> None:
    """java.util.Properties.load"""
    assert [(entry.key, entry.value) for entry in properties.parse(text)] == expected


def test_a_key_knows_its_line() -> None:
    assert properties.parse("# x\na=1\\\n  2\n\nb=3") == [Entry("a", "12", 2), Entry("b", "3", 5)]


def test_the_last_of_a_key_counts(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a=1\na=2\n")
    assert properties.load(str(path)) == {"a": "2"}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(Setup, match=r"Cannot read .*absent: No such file or directory"):
        properties.load(str(tmp_path / "absent"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(Setup, match="it is not UTF-8 text"):
        properties.load(str(tmp_path / "binary"))


def test_pairs_split_at_the_first_equals_sign() -> None:
    """CommandLineUtilsTest"""
    texts = ["first.property==first", "second.property=second=", "third.property=thi=rd", "my.empty.property"]
    assert properties.pairs(texts) == {
        "first.property": "=first",
        "second.property": "second=",
        "third.property": "thi=rd",
        "my.empty.property": "",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:1", [("a", 1)]),
        (" a:1 , b.c-d_e:65535,", [("a", 1), ("b.c-d_e", 65535)]),
        ("[::1]:9092", [("::1", 9092)]),
        ("PLAINTEXT://a:1", [("a", 1)]),
        ("127.0.0.1:9", [("127.0.0.1", 9)]),
    ],
)
def test_addresses(text: str, expected: list[tuple[str, int]]) -> None:
    assert list(properties.addresses(text)) == expected


@pytest.mark.parametrize("text", ["a", "a:", ":1", "a:b", "::1:9092", "a:1:2", "a b:1"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(Setup, match=r"Invalid url in bootstrap\.servers: "):
        properties.addresses(text)


@pytest.mark.parametrize("text", ["", " , "])
def test_no_address_is_told(text: str) -> None:
    with pytest.raises(Setup, match="No resolvable bootstrap urls"):
        properties.addresses(text)


@pytest.mark.parametrize("port", [0, 65536])
def test_what_is_no_port_is_told(port: int) -> None:
    with pytest.raises(Setup, match=rf"Invalid port in bootstrap\.servers: a:{port}"):
        properties.addresses(f"a:{port}")


def test_a_connection_is_named_as_it_is_typed() -> None:
    assert Connection((("a", 1), ("::1", 2)), {}).named == "a:1,[::1]:2"


def test_brokers_come_from_the_nearest_place_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("KCLI_BOOTSTRAP_SERVER", raising=False)
    assert properties.bootstrap(None, {}) == "localhost:9092"
    (tmp_path / "kcli-kafka").mkdir()
    (tmp_path / "kcli-kafka" / "config.toml").write_text('current="c"\n[contexts.c]\nbootstrap-server="context:1"')
    assert properties.bootstrap(None, {}) == "context:1"
    monkeypatch.setenv("KCLI_BOOTSTRAP_SERVER", "environment:1")
    assert properties.bootstrap(None, {}) == "environment:1"
    assert properties.bootstrap(None, {"bootstrap.servers": "file:1"}) == "file:1"
    assert properties.bootstrap("typed:1", {"bootstrap.servers": "file:1"}) == "typed:1"
