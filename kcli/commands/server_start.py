"""kcli server-start: run a server from its server.properties (bin/kafka-server-start.sh)."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from kcli import options, properties
from kcli.cluster import network, processes, servers
from kcli.cluster.progress import Progress
from kcli.errors import Failure, Usage

if TYPE_CHECKING:
    from kcli.formats.storage import Endpoint

EXAMPLES = """
    kcli server-start server.properties
    kcli server-start -daemon server.properties
    kcli server-start server.properties --override log.retention.hours=1
"""


@click.command(cls=options.Tool, examples=EXAMPLES)
@click.argument("config", metavar="server.properties", required=False)
@click.option("--daemon", is_flag=True, help="Start it behind; return when it answers.")
@click.option("--override", metavar="NAME=VALUE", multiple=True, help="A setting that wins over the file; repeatable.")
def command(config: str | None, daemon: bool, override: Sequence[str]) -> None:
    """Start a server. Its log goes to standard output; with -daemon to a file, which is named.

    The file of a daemon is $LOG_DIR/kafkaServer.out if LOG_DIR is set. Ctrl-C or kcli server-stop end a server.
    """
    if config is None:
        raise Usage("USAGE: kcli server-start [-daemon] server.properties [--override property=value]*")
    overrides = [text if "=" in text else f"{text}=" for text in override]
    told = properties.load(config) | properties.pairs(overrides)
    node, roles = told.get("node.id", told.get("broker.id", "")).strip(), told.get("process.roles", "").strip()
    if daemon:
        _daemon(config, overrides, node, roles)
        return
    own = processes.seen(os.getpid())
    if own:
        servers.record(own, node, roles, os.path.abspath(config))
    sys.stdout.flush()
    words = servers.command(config, overrides)
    os.execve(words[0], words, servers.environment())


def _daemon(config: str, overrides: Sequence[str], node: str, roles: str) -> None:
    """Start it behind, wait until it answers."""
    from kcli.formats import storage as files  # a server behind cannot say what is wrong with its file

    place = files.listening(config, properties.pairs(overrides))
    log = _log(node)
    log_from = os.path.getsize(log) if os.path.exists(log) else 0
    process = processes.spawn(servers.command(config, overrides), log, os.getcwd(), servers.environment())
    servers.record(process, node, roles, os.path.abspath(config))
    progress = Progress()
    progress.of("The server starts ")
    where = f"{place.host}:{place.port}"
    try:
        servers.wait_ready(process, lambda: _answers(place), "The server", where, log, log_from, progress.tick)
    finally:
        progress.clear()
    click.echo(f"Server {node} is up: process {process.pid}, {where}, log {log}. Stop it with: kcli server-stop")


def _answers(place: "Endpoint") -> bool:
    if place.name == "PLAINTEXT":
        return network.answers(place.host, place.port)
    return network.accepts(place.host, place.port)


def _log(node: str) -> str:
    folder = os.environ.get("LOG_DIR")
    path = (
        os.path.join(folder, "kafkaServer.out")
        if folder
        else os.path.join(servers.state_dir(), "servers", f"node-{node or 'unknown'}.log")
    )
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    except OSError as error:
        raise Failure(f"Cannot make the folder of {path}: {error.strerror}") from error
    return os.path.abspath(path)
