"""kcli cluster up, down, status, wipe: a local cluster as a whole."""

import sys
from collections.abc import Sequence

import click

from kcli import arguments, options, properties
from kcli import nodes as local
from kcli.cluster.local import PAUSED, RUNNING, Folder, LocalCluster, text_of
from kcli.commands.cluster import home as homes
from kcli.errors import Failure
from kcli.plan import cluster as plan
from kcli.render import cluster as render
from kcli.report import Report

STARTING = "starting"


@click.command(
    cls=arguments.Tool, examples="kcli cluster up --brokers 4\nkcli cluster up --port 19092 --dir /tmp/other"
)
@click.option("--brokers", type=options.INT, metavar="N", help="How many brokers. Default: 1.")
@click.option(
    "--controllers",
    type=options.INT,
    metavar="N",
    help="How many nodes that are controllers only. Default: none, the first three brokers are controllers, too.",
)
@click.option(
    "--port",
    type=options.INT,
    metavar="P",
    help=f"Port of the first broker, P+1 of the second ... Default: {plan.DEFAULT_PORT}; 0: any that are free. "
    f"Controllers listen at P+{plan.CONTROLLER_OFFSET}, or at a free port.",
)
@homes.at
@click.option("--config", metavar="NAME=VALUE", multiple=True, help="A setting of all nodes; repeatable.")
@options.output
def up(
    brokers: int | None, controllers: int | None, port: int | None, path: str | None, config: Sequence[str]
) -> Report:
    """Make a cluster if there is none, start its nodes, return when they answer.

    Ctrl-C while they start stops those that it has started.
    """
    home, extra = homes.home(path), plan.settings(config)
    with home.locked():
        if missing := home.lacking():
            raise Failure(
                f"{missing} is missing: the cluster is not whole.",
                f"Put it back, or remove {home.path} and make the cluster anew.",
            )
        if not home.folders():
            first = plan.DEFAULT_PORT if port is None else port
            free = local.free_ports()
            local.make(home, plan.layout(1 if brokers is None else brokers, controllers, first, free), extra)
        folders = _checked(home, brokers, controllers, port, extra)
        started = local.start(folders)
        nodes = [local.node_of(folder) for folder in folders]
    bootstrap = plan.bootstrap(nodes)
    told = "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
    words = f"The cluster is up: {told}." if started else f"The cluster is up already: {told}."
    paused = [str(folder.node) for folder in folders if folder.state().word == PAUSED]
    if paused:
        words += f" Paused: {', '.join(paused)} (kcli cluster resume NODE)."
    is_default = properties.bootstrap(None, {}) == bootstrap
    text = render.up(home.path, bootstrap, words, where=homes.option(home), default=is_default)
    return homes.report(home, text)


@click.command(cls=arguments.Tool, examples="kcli cluster down")
@homes.at
@options.output
def down(path: str | None) -> Report:
    """Stop all nodes cleanly; their files stay."""
    home = homes.existing(path)
    with home.locked():
        running = [folder for folder in home.folders() if folder.state().word in local.ALIVE]
        local.stop(running)
    words = "".join(f"Node {folder.node} stopped.\n" for folder in running) or "Nothing is running.\n"
    return homes.report(home, words)


@click.command(cls=arguments.Tool, examples="kcli cluster status\nkcli cluster status --output json")
@homes.at
@options.output
def status(path: str | None) -> Report:
    """Tell how the nodes are, which is the active controller (*), and how many partitions each leads.

    States: running, starting (it does not answer yet), paused, stopped, crashed (ended by itself, or killed).
    UNDER-REPLICATED are those of a leader's partitions whose ISR lacks replicas. A dash: there is nobody to tell.
    """
    home = homes.existing(path)
    folders = home.folders()
    answering = local.answering(folders)
    quorum = local.quorum(answering)
    health = plan.health(quorum, local.topics(answering, quorum.leader if quorum else None))
    ids = {node.id for node in answering}
    rows = [_seen(row, row.node.id in ids, health) for row in local.rows(home)]
    bootstrap = plan.bootstrap([row.node for row in rows])
    summary = render.summary(
        health.active,
        None if health.leaders is None else health.partitions,
        sum((health.under_replicated or {}).values()),
        health.without_leader,
        sum(row.pid is not None for row in rows),
    )
    if sides := home.sides():
        summary += f"cut off from one another: {sides} (kcli cluster heal{homes.option(home)})\n"
    return Report(
        render.status(rows, home.path, bootstrap, summary), render.status_data(rows, home.path, bootstrap, home.sides())
    )


@click.command(cls=arguments.Tool, examples="kcli cluster wipe --yes")
@click.option("--yes", is_flag=True, help="Without asking.")
@homes.at
@options.output
def wipe(yes: bool, path: str | None) -> Report:
    """Remove the files of a stopped cluster, with all that its topics hold."""
    home = homes.existing(path)
    with home.locked():
        alive = [folder for folder in home.folders() if folder.state().word in local.ALIVE]
        if alive:
            raise Failure(
                f"Node {alive[0].node} is {alive[0].state().word}.", f"First: kcli cluster down{homes.option(home)}"
            )
        if not yes and sys.stdin.isatty():
            click.confirm(f"Remove {home.path} and all its data?", abort=True, err=True)
        home.remove()
    return Report(f"Removed {home.path}.\n", {"removed": home.path})


def _seen(row: render.Row, answers: bool, health: plan.Health) -> render.Row:
    """A node as the cluster sees it."""
    known = health.leaders is not None and row.node.port is not None
    return row._replace(
        state=STARTING if row.state == RUNNING and not answers else row.state,
        leaders=(health.leaders or {}).get(row.node.id, 0) if known else None,
        under_replicated=(health.under_replicated or {}).get(row.node.id, 0) if known else None,
        active=row.node.id == health.active,
    )


def _checked(
    home: LocalCluster, brokers: int | None, controllers: int | None, port: int | None, extra: dict[str, str]
) -> list[Folder]:
    """The folders of the cluster that is there, with `extra` in their settings. Raises Failure if it is another."""
    folders = home.folders()
    plan.check_same([local.node_of(folder) for folder in folders], brokers, controllers, port)
    for folder in folders:
        told = folder.load()
        if told | extra == told:
            continue
        if folder.state().word in local.ALIVE:
            raise Failure(
                f"--config: node {folder.node} is {folder.state().word}, and settings are read at the start.",
                f"First: kcli cluster down{homes.option(home)}",
            )
        from kcli.formats import storage as files

        files.parsed(text_of(told | extra), folder.settings)
        folder.write(told | extra)
    return folders
