"""kcli cluster: a local cluster, from up to wipe; and what bin/kafka-cluster.sh tells of any cluster."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from kcli import arguments, client, options, properties
from kcli.cluster import network
from kcli.cluster.local import PAUSED, RUNNING, Folder, LocalCluster, default_path, text_of
from kcli.cluster.progress import Progress
from kcli.errors import Failure
from kcli.model import LocalNode, Meta
from kcli.plan import cluster as plan
from kcli.render import cluster as render
from kcli.report import Report

EXAMPLES = """
    kcli cluster up
    kcli cluster up --port 19092 --dir /tmp/other --config log.retention.hours=1
    kcli cluster status
    kcli cluster kill 0; kcli cluster start 0
    kcli cluster logs 0 -f
    kcli cluster down; kcli cluster wipe
    kcli cluster cluster-id --bootstrap-server localhost:9092
"""
FOLLOW_S = 0.2
READ_BYTES = 1 << 16


@click.group(cls=arguments.Tools, examples=EXAMPLES)
def command() -> None:
    """Run a local cluster; or tell what a cluster is (cluster-id, list-endpoints).

    Only processes that kcli cluster started itself are ever touched. --dir names the folder of the cluster; several
    can run side by side, each with a folder and ports of its own.
    """


def _at(body: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--dir",
        "path",
        metavar="DIR",
        help="The cluster's folder. Default: $XDG_STATE_HOME/kcli-kafka/clusters/default.",
    )(body)


_nodes = click.argument("nodes", metavar="NODE...", nargs=-1, required=True, type=int)


@command.command(examples="kcli cluster up\nkcli cluster up --port 19092 --dir /tmp/other")
@click.option("--brokers", type=options.INT, metavar="N", help="How many brokers. Default: 1.")
@click.option(
    "--controllers",
    type=options.INT,
    metavar="N",
    help="How many of the nodes are controllers. Default: one for each broker, 3 at most.",
)
@click.option(
    "--port",
    type=options.INT,
    metavar="P",
    help=f"Port of the first broker, P+1 of the second ... Default: {plan.DEFAULT_PORT}. "
    f"Controllers listen at P+{plan.CONTROLLER_OFFSET}, or at a free port.",
)
@_at
@click.option("--config", metavar="NAME=VALUE", multiple=True, help="A setting of all nodes; repeatable.")
@options.output
def up(
    brokers: int | None, controllers: int | None, port: int | None, path: str | None, config: Sequence[str]
) -> Report:
    """Make a cluster if there is none, start its nodes, return when they answer."""
    home, extra = _home(path), plan.settings(config)
    with home.locked():
        if not home.folders():
            first = plan.DEFAULT_PORT if port is None else port
            _make(home, plan.layout(1 if brokers is None else brokers, controllers, first, _free_port), extra)
        folders = _checked(home, brokers, controllers, port, extra)
        started = _start(folders)
        nodes = [_node(folder) for folder in folders]
    bootstrap = plan.bootstrap(nodes)
    told = "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
    words = f"The cluster is up: {told}." if started else f"The cluster is up already: {told}."
    is_default = properties.bootstrap(None, {}) == bootstrap
    rows = _rows(home)
    return Report(
        render.up(home.path, bootstrap, words, where=_option(home), default=is_default),
        render.status_data(rows, home.path, bootstrap),
    )


@command.command(examples="kcli cluster down")
@_at
@options.output
def down(path: str | None) -> Report:
    """Stop all nodes cleanly; their files stay."""
    home = _existing(path)
    with home.locked():
        running = [folder for folder in home.folders() if folder.state().word in (RUNNING, PAUSED)]
        # Brokers alone need the controllers to leave in order.
        for group in _brokers_first(running):
            for folder in group:
                folder.ask_to_stop()
            for folder in group:
                folder.wait_stopped()
    words = "".join(f"Node {folder.node} stopped.\n" for folder in running) or "Nothing is running.\n"
    return _report(home, words)


@command.command(examples="kcli cluster status --output json")
@_at
@options.output
def status(path: str | None) -> Report:
    """Tell how the nodes are: running, paused, stopped, or dead (ended by themselves, or killed)."""
    home = _existing(path)
    rows = _rows(home)
    bootstrap = plan.bootstrap([row.node for row in rows])
    return Report(render.status(rows, home.path, bootstrap), render.status_data(rows, home.path, bootstrap))


@command.command(examples="kcli cluster start 0")
@_nodes
@_at
@options.output
def start(nodes: Sequence[int], path: str | None) -> Report:
    """Start nodes, and return when they answer."""
    home = _existing(path)
    with home.locked():
        folders = _chosen(home, nodes)
        started = _start(folders)
    words = "".join(
        f"Node {each.node} is up.\n" if each.node in started else f"Node {each.node} runs already.\n"
        for each in folders
    )
    return _report(home, words)


@command.command(examples="kcli cluster stop 0")
@_nodes
@_at
@options.output
def stop(nodes: Sequence[int], path: str | None) -> Report:
    """Stop nodes cleanly (SIGTERM)."""
    home, words = _existing(path), ""
    with home.locked():
        for folder in _chosen(home, nodes):
            runs = folder.state().word in (RUNNING, PAUSED)
            folder.ask_to_stop()
            folder.wait_stopped()
            words += f"Node {folder.node} stopped.\n" if runs else f"Node {folder.node} does not run.\n"
    return _report(home, words)


@command.command(examples="kcli cluster kill 0")
@_nodes
@_at
@options.output
def kill(nodes: Sequence[int], path: str | None) -> Report:
    """End nodes at once, as a crash would (kill -9)."""
    home, words = _existing(path), ""
    with home.locked():
        for folder in _chosen(home, nodes):
            if not folder.kill():
                raise _does_not_run(folder)
            words += f"Node {folder.node} killed.\n"
    return _report(home, words)


@command.command(examples="kcli cluster pause 0")
@_nodes
@_at
@options.output
def pause(nodes: Sequence[int], path: str | None) -> Report:
    """Freeze nodes: they keep their connections and say nothing (SIGSTOP)."""
    return _signalled(path, nodes, signal.SIGSTOP, "paused")


@command.command(examples="kcli cluster resume 0")
@_nodes
@_at
@options.output
def resume(nodes: Sequence[int], path: str | None) -> Report:
    """Let frozen nodes go on (SIGCONT)."""
    return _signalled(path, nodes, signal.SIGCONT, "goes on")


@command.command(examples="kcli cluster logs 0 -f")
@click.argument("node", type=int)
@click.option("--follow", "-f", is_flag=True, help="Go on printing what is added, until Ctrl-C.")
@_at
def logs(node: int, follow: bool, path: str | None) -> None:
    """Print what a node said, of all its runs."""
    (folder,) = _chosen(_existing(path), [node])
    if not os.path.exists(folder.log):
        raise Failure(f"Node {node} has not said anything yet.", f"Its log would be {folder.log}.")
    with open(folder.log, "rb") as file:
        while True:
            while part := file.read(READ_BYTES):
                click.echo(part, nl=False)
            if not follow:
                return
            time.sleep(FOLLOW_S)


@command.command(examples="kcli cluster wipe --yes")
@click.option("--yes", is_flag=True, help="Without asking.")
@_at
@options.output
def wipe(yes: bool, path: str | None) -> Report:
    """Remove the files of a stopped cluster, with all that its topics hold."""
    home = _existing(path)
    with home.locked():
        rows = _rows(home)
        alive = [row for row in rows if row.state in (RUNNING, PAUSED)]
        if alive:
            raise Failure(f"Node {alive[0].node.id} is {alive[0].state}.", f"First: kcli cluster down{_option(home)}")
        if not yes and sys.stdin.isatty():
            click.confirm(f"Remove {home.path} and all its data?", abort=True, err=True)
        home.remove()
    return Report(f"Removed {home.path}.\n", {"removed": home.path})


@command.command("cluster-id", examples="kcli cluster cluster-id --bootstrap-server localhost:9092")
@arguments.old_config
@arguments.bootstrap
@options.output
def cluster_id(admin: client.Admin, controllers: bool) -> Report:
    """Print the id of a cluster."""
    found = admin.describe_cluster(controllers=controllers).id
    if found is None:
        return Report("No cluster ID found. The Kafka version is probably too old.\n", {"clusterId": None}, failed=True)
    return Report(f"Cluster ID: {found}\n", {"clusterId": found})


@command.command("list-endpoints", examples="kcli cluster list-endpoints --include-fenced-brokers")
@click.option("--include-fenced-brokers", is_flag=True, help="And the brokers that are not alive.")
@arguments.old_config
@arguments.bootstrap
@options.output
def list_endpoints(admin: client.Admin, controllers: bool, include_fenced_brokers: bool) -> Report:
    """List where the brokers of a cluster listen, or its controllers."""
    if controllers and include_fenced_brokers:
        raise Failure("The option --include-fenced-brokers is only supported with --bootstrap-server option")
    found = admin.describe_cluster(controllers=controllers, fenced=include_fenced_brokers).brokers
    return Report(
        render.endpoints(found, controllers=controllers), render.endpoints_data(found, controllers=controllers)
    )


def _home(path: str | None) -> LocalCluster:
    home = LocalCluster(path or default_path())
    if "," in home.path:
        raise Failure(f"{home.path}: a cluster's folder cannot have a comma in its name.", "log.dirs is a list.")
    return home


def _existing(path: str | None) -> LocalCluster:
    home = _home(path)
    if not home.folders():
        raise Failure(f"There is no cluster in {home.path}.", f"Make one with: kcli cluster up{_option(home)}")
    return home


def _make(home: LocalCluster, nodes: Sequence[LocalNode], extra: dict[str, str]) -> None:
    """Write and format the folders of new nodes; nothing is left of them if one cannot be made."""
    from kcli.formats import features, new_id
    from kcli.formats import storage as files

    _check_ports(nodes)
    folders = [home.folder(node.id) for node in nodes]
    told = [plan.properties(nodes, node, folder.data, extra) for node, folder in zip(nodes, folders, strict=True)]
    for folder, settings in zip(folders, told, strict=True):
        files.parsed(text_of(settings), folder.settings)
    cluster_id, levels = new_id(), features.of_new_cluster(None, {}, unstable=False, dynamic_quorum=False)
    try:
        for folder, settings in zip(folders, told, strict=True):
            folder.write(settings)
            meta = Meta(cluster_id, folder.node, new_id())
            files.write_directory(folder.data, meta, levels, (), None, time.time_ns() // 1_000_000)
    except OSError as error:
        home.remove(folders)
        raise Failure(f"Cannot make {home.path}: {error.strerror}") from error


def _checked(
    home: LocalCluster, brokers: int | None, controllers: int | None, port: int | None, extra: dict[str, str]
) -> list[Folder]:
    """The folders of the cluster that is there, with `extra` in their settings. Raises Failure if it is another."""
    folders = home.folders()
    plan.check_same([_node(folder) for folder in folders], brokers, controllers, port)
    for folder in folders:
        told = folder.load()
        if told | extra == told:
            continue
        if folder.state().word in (RUNNING, PAUSED):
            raise Failure(
                f"--config: node {folder.node} is {folder.state().word}, and settings are read at the start.",
                f"First: kcli cluster down{_option(home)}",
            )
        from kcli.formats import storage as files

        files.parsed(text_of(told | extra), folder.settings)
        folder.write(told | extra)
    return folders


def _start(folders: Sequence[Folder]) -> set[int]:
    """Start those that do not run, wait until all of them answer; returns the ids of those that were started."""
    asleep = [folder for folder in folders if folder.state().word not in (RUNNING, PAUSED)]
    _check_ports([_node(folder) for folder in asleep])
    begun = [(folder, *folder.start()) for folder in asleep]
    progress = Progress()
    for folder, process, log_from in begun:
        progress.of(f"Node {folder.node} starts ")
        try:
            folder.wait_ready(process, log_from, plan.address(_node(folder)), progress.tick)
        finally:
            progress.clear()
    return {folder.node for folder in asleep}


def _check_ports(nodes: Sequence[LocalNode]) -> None:
    for node in nodes:
        for port in (node.port, node.controller_port):
            if port is not None and (wrong := network.trouble(plan.HOST, port)):
                raise Failure(wrong, "Stop that process, or take another port: kcli cluster up --port P --dir DIR")


def _free_port(wanted: int) -> int:
    if wanted and network.trouble(plan.HOST, wanted) is None:
        return wanted
    return network.any_free(plan.HOST, frozenset())


def _node(folder: Folder) -> LocalNode:
    try:
        return plan.read(folder.load())
    except (KeyError, ValueError) as error:
        raise Failure(f"{folder.settings} is not what kcli cluster wrote: {error}") from error


def _rows(home: LocalCluster) -> list[render.Row]:
    rows = []
    for folder in home.folders():
        state = folder.state()
        rows.append(render.Row(_node(folder), state.word, folder.path, state.pid, state.rss_bytes, state.uptime_ms))
    return rows


def _chosen(home: LocalCluster, nodes: Sequence[int]) -> list[Folder]:
    folders = {folder.node: folder for folder in home.folders()}
    for node in nodes:
        if node not in folders:
            known = ", ".join(map(str, folders))
            raise Failure(f"The cluster has no node {node}: it has {known}.")
    return [folders[node] for node in dict.fromkeys(nodes)]


def _brokers_first(folders: Sequence[Folder]) -> list[list[Folder]]:
    with_controller = [folder for folder in folders if plan.CONTROLLER in _node(folder).roles]
    return [[folder for folder in folders if folder not in with_controller], with_controller]


def _signalled(path: str | None, nodes: Sequence[int], number: signal.Signals, done: str) -> Report:
    home, words = _existing(path), ""
    with home.locked():
        for folder in _chosen(home, nodes):
            if not folder.signal(number):
                raise _does_not_run(folder)
            words += f"Node {folder.node} {done}.\n"
    return _report(home, words)


def _does_not_run(folder: Folder) -> Failure:
    return Failure(f"Node {folder.node} does not run: it is {folder.state().word}.")


def _report(home: LocalCluster, words: str) -> Report:
    rows = _rows(home)
    return Report(words, render.status_data(rows, home.path, plan.bootstrap([row.node for row in rows])))


def _option(home: LocalCluster) -> str:
    """The option that a line to copy needs to mean this cluster."""
    if home.path == os.path.abspath(default_path()):
        return ""
    import shlex  # only for clusters elsewhere

    return f" --dir {shlex.quote(home.path)}"
