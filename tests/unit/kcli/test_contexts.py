"""The file of contexts: read strictly, written whole."""

from pathlib import Path

import pytest

from kcli import contexts
from kcli.contexts import Contexts
from kcli.errors import Setup


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "kcli-kafka").mkdir()
    return tmp_path / "kcli-kafka" / "config.toml"


def test_no_file_is_no_context(config: Path) -> None:
    assert (contexts.load(), contexts.current()) == (Contexts(None, {}), {})


def test_what_is_saved_is_read_again(config: Path) -> None:
    known = Contexts('a "b".c\n', {'a "b".c\n': {"bootstrap-server": "x:1", "command-config": "/é\\"}, "other": {}})
    contexts.save(known)
    assert contexts.load() == known
    assert contexts.current() == {"bootstrap-server": "x:1", "command-config": "/é\\"}
    contexts.save(Contexts(None, {}))
    assert contexts.load() == Contexts(None, {})


def test_the_home_folder_is_the_place_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/ann")
    assert contexts.path() == "/home/ann/.config/kcli-kafka/config.toml"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("current = ", "Cannot read "),
        ('current = "gone"', "the current context 'gone' is not in the file"),
        ("contexts = 5", "a context has bootstrap-server and command-config"),
        ("[contexts.x]\nbootstrap-server = 5", "a context has bootstrap-server and command-config"),
        ('[contexts.x]\nbootstrap = "a:1"', "a context has bootstrap-server and command-config"),
    ],
)
def test_a_file_that_is_wrong_is_told(text: str, complaint: str, config: Path) -> None:
    config.write_text(text)
    with pytest.raises(Setup) as told:
        contexts.load()
    assert complaint in told.value.message


def test_a_place_that_cannot_be_used_is_told(config: Path) -> None:
    config.mkdir()
    with pytest.raises(Setup, match=r"Cannot read .*: Is a directory"):
        contexts.load()
    with pytest.raises(Setup, match=r"Cannot write .*: Is a directory"):
        contexts.save(Contexts(None, {}))
