"""kcli cluster start, stop, kill, pause, resume, logs: single nodes of a local cluster."""

import os
import time
from collections.abc import Callable, Sequence

import click

from kcli import arguments, options
from kcli import nodes as local
from kcli.cluster.local import Folder
from kcli.commands.cluster import home as homes
from kcli.errors import Failure
from kcli.report import Report

FOLLOW_S = 0.2
READ_BYTES = 1 << 16


@click.command(cls=arguments.Tool, examples="kcli cluster start 0")
@homes.nodes
@homes.at
@options.output
def start(nodes: Sequence[int], path: str | None) -> Report:
    """Start nodes, and return when they answer."""
    home = homes.existing(path)
    with home.locked():
        folders = homes.chosen(home, nodes)
        started = local.start(folders)
    words = "".join(
        f"Node {each.node} is up.\n" if each.node in started else f"Node {each.node} runs already.\n"
        for each in folders
    )
    return homes.report(home, words)


@click.command(cls=arguments.Tool, examples="kcli cluster stop 0")
@homes.nodes
@homes.at
@options.output
def stop(nodes: Sequence[int], path: str | None) -> Report:
    """Stop nodes cleanly (SIGTERM), one after the other."""
    home, words = homes.existing(path), ""
    with home.locked():
        for folder in homes.chosen(home, nodes):
            runs = folder.state().word in local.ALIVE
            local.stop([folder])
            words += f"Node {folder.node} stopped.\n" if runs else f"Node {folder.node} does not run.\n"
    return homes.report(home, words)


@click.command(cls=arguments.Tool, examples="kcli cluster kill 0")
@homes.nodes
@homes.at
@options.output
def kill(nodes: Sequence[int], path: str | None) -> Report:
    """End nodes at once, as a crash would (kill -9)."""
    home, words = homes.existing(path), ""
    with home.locked():
        for folder in homes.chosen(home, nodes):
            if not folder.kill():
                raise _does_not_run(folder)
            words += f"Node {folder.node} killed.\n"
    return homes.report(home, words)


@click.command(cls=arguments.Tool, examples="kcli cluster pause 0")
@homes.nodes
@homes.at
@options.output
def pause(nodes: Sequence[int], path: str | None) -> Report:
    """Freeze nodes: they keep their connections and say nothing (SIGSTOP)."""
    return _signalled(path, nodes, Folder.pause, "paused")


@click.command(cls=arguments.Tool, examples="kcli cluster resume 0")
@homes.nodes
@homes.at
@options.output
def resume(nodes: Sequence[int], path: str | None) -> Report:
    """Let frozen nodes go on (SIGCONT)."""
    return _signalled(path, nodes, Folder.resume, "goes on")


@click.command(cls=arguments.Tool, examples="kcli cluster logs 0 -f")
@click.argument("node", type=int)
@click.option("--follow", "-f", is_flag=True, help="Go on printing what is added, until Ctrl-C.")
@homes.at
def logs(node: int, follow: bool, path: str | None) -> None:
    """Print what a node said, of all its runs."""
    (folder,) = homes.chosen(homes.existing(path), [node])
    if not os.path.exists(folder.log):
        raise Failure(f"Node {node} has not said anything yet.", f"Its log would be {folder.log}.")
    with open(folder.log, "rb") as file:
        while True:
            while part := file.read(READ_BYTES):
                click.echo(part, nl=False)
            if not follow:
                return
            time.sleep(FOLLOW_S)


def _signalled(path: str | None, nodes: Sequence[int], signalled: Callable[[Folder], bool], done: str) -> Report:
    home, words = homes.existing(path), ""
    with home.locked():
        for folder in homes.chosen(home, nodes):
            if not signalled(folder):
                raise _does_not_run(folder)
            words += f"Node {folder.node} {done}.\n"
    return homes.report(home, words)


def _does_not_run(folder: Folder) -> Failure:
    return Failure(f"Node {folder.node} does not run: it is {folder.state().word}.")
