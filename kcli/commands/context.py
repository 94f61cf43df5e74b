"""kcli context: give clusters names, and choose the one that is meant when a command names none."""

import os

import click

from kcli import contexts, options
from kcli.contexts import Contexts
from kcli.errors import Failure
from kcli.properties import addresses
from kcli.report import Report

EXAMPLES = """
    kcli context set prod --bootstrap-server a:9092,b:9092 --command-config ~/prod.properties
    kcli context use prod
    kcli context list
    kcli context delete prod
"""


@click.group(cls=options.Tools, examples=EXAMPLES)
def command() -> None:
    """Name clusters, and choose the current one."""


@command.command("list", examples="kcli context list")
@options.output
def list_() -> Report:
    """List the contexts; a star marks the current one."""
    known = contexts.load()
    names = sorted(known.named)
    lines = [f"{'*' if name == known.current else ' '} {name}\t{_told(known, name)}\n" for name in names]
    data = [{"context": name, "current": name == known.current, "settings": known.named[name]} for name in names]
    return Report("".join(lines), {"contexts": data})


@command.command("set", examples="kcli context set prod --bootstrap-server a:9092 --command-config prod.properties")
@click.argument("name")
@click.option("--bootstrap-server", metavar="HOST:PORT,...", help="The brokers of the cluster.")
@click.option("--command-config", metavar="FILE", help="Client properties file of the cluster.")
@options.output
def set_(name: str, bootstrap_server: str | None, command_config: str | None) -> Report:
    """Make a context, or change what is given of one. The first one is the current one."""
    known = contexts.load()
    given = {}
    if bootstrap_server is not None:
        addresses(bootstrap_server)
        given["bootstrap-server"] = bootstrap_server
    if command_config is not None:
        given["command-config"] = os.path.abspath(os.path.expanduser(command_config))
    named = known.named | {name: known.named.get(name, {}) | given}
    return _saved(Contexts(known.current or name, named))


@command.command(examples="kcli context use prod")
@click.argument("name")
@options.output
def use(name: str) -> Report:
    """Make a context the current one."""
    known = _with(name)
    return _saved(known._replace(current=name))


@command.command(examples="kcli context delete prod")
@click.argument("name")
@options.output
def delete(name: str) -> Report:
    """Forget a context."""
    known = _with(name)
    left = {other: settings for other, settings in known.named.items() if other != name}
    return _saved(Contexts(None if known.current == name else known.current, left))


def _with(name: str) -> Contexts:
    known = contexts.load()
    if name not in known.named:
        raise Failure(f"There is no context '{name}'", f"Known: {', '.join(sorted(known.named)) or 'none'}.")
    return known


def _saved(known: Contexts) -> Report:
    contexts.save(known)
    return Report("", {"current": known.current})


def _told(known: Contexts, name: str) -> str:
    settings = known.named[name]
    return "\t".join(settings[key] for key in contexts.KEYS if key in settings)
