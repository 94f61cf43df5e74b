"""Contexts: clusters by name, and the one that is meant when a command names none.

# $XDG_CONFIG_HOME/kcli-kafka/config.toml
current = "prod"

[contexts.prod]
bootstrap-server = "a:9092,b:9092"
command-config = "/home/me/prod.properties"
"""

import os
from typing import Any, NamedTuple

from kcli.errors import Setup

KEYS = ("bootstrap-server", "command-config")


class Contexts(NamedTuple):
    """`named`: the settings of each context, of KEYS those that are set."""

    current: str | None
    named: dict[str, dict[str, str]]


def path() -> str:
    """The file that holds them."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "kcli-kafka", "config.toml")


def current() -> dict[str, str]:
    """The settings of the current context; none if there is none. Raises Setup."""
    found = load()
    return found.named[found.current] if found.current is not None else {}


def load() -> Contexts:
    """Read the file. Raises Setup if it cannot be read or does not hold what it should."""
    where = path()
    if not os.path.exists(where):
        return Contexts(None, {})
    import tomllib  # most users have no such file

    try:
        with open(where, "rb") as file:
            told = tomllib.load(file)
    except OSError as error:
        raise Setup(f"Cannot read {where}: {error.strerror}") from error
    except ValueError as error:
        raise Setup(f"Cannot read {where}: {error}") from error
    chosen, named = told.get("current"), told.get("contexts", {})
    if not isinstance(named, dict) or not all(map(_sound, named.values())):
        raise Setup(f"{where}: a context has {' and '.join(KEYS)}, both texts, and nothing else")
    if chosen is not None and chosen not in named:
        raise Setup(f"{where}: the current context '{chosen}' is not in the file")
    return Contexts(chosen, named)


def save(contexts: Contexts) -> None:
    """Write the file, whole or not at all. Raises Setup."""
    where = path()
    lines = [] if contexts.current is None else [f"current = {_quoted(contexts.current)}"]
    for name, settings in sorted(contexts.named.items()):
        lines += ["", f"[contexts.{_quoted(name)}]", *(f"{key} = {_quoted(text)}" for key, text in settings.items())]
    try:
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(f"{where}.new", "w", encoding="utf-8") as file:
            file.write("\n".join(lines).lstrip("\n") + "\n")
        os.replace(f"{where}.new", where)
    except OSError as error:
        raise Setup(f"Cannot write {where}: {error.strerror}") from error


def _sound(settings: Any) -> bool:
    return isinstance(settings, dict) and all(k in KEYS and isinstance(v, str) for k, v in settings.items())


def _quoted(text: str) -> str:
    import json

    return json.dumps(text)  # a JSON text is a TOML text
