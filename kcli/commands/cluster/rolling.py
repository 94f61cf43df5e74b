"""kcli cluster rolling-restart: every node once, while clients go on."""

import time

import click

from kcli import arguments, options
from kcli import nodes as local
from kcli.cluster.local import Folder, LocalCluster
from kcli.cluster.progress import Progress
from kcli.commands.cluster import home as homes
from kcli.errors import INTERRUPTED, Failure
from kcli.plan import cluster as plan
from kcli.report import Report

DEFAULT_TIMEOUT_S = 300


@click.command("rolling-restart", cls=arguments.Tool, examples="kcli cluster rolling-restart")
@click.option(
    "--timeout",
    "seconds",
    type=options.INT,
    metavar="S",
    default=DEFAULT_TIMEOUT_S,
    help=f"How long to wait for what one node has to catch up. Default: {DEFAULT_TIMEOUT_S} s.",
)
@homes.at
@options.output
def rolling_restart(seconds: int, path: str | None) -> Report:
    """Restart one node after the other, the active controller last.

    Before each, and at the end, it waits until every broker is alive, no partition is under-replicated, and the
    quorum has what is committed. Ctrl-C starts the node again that it has stopped, and says how far it came.
    """
    home, words = homes.existing(path), ""
    with home.locked():
        order = _order(home)
        done: list[int] = []
        for folder in order:
            began = time.monotonic()
            try:
                _restart(home, folder, f"{len(done)} of {len(order)} nodes restarted; ", seconds)
            except KeyboardInterrupt:
                left = [each.node for each in order if each.node not in (*done, folder.node)]
                raise _interrupted(folder, done, left) from None
            done.append(folder.node)
            words += f"Node {folder.node} restarted in {time.monotonic() - began:.1f} s.\n"
    return homes.report(home, words)


def _order(home: LocalCluster) -> list[Folder]:
    """Raises Failure: a node does not run, so that to stop another would take away more than one."""
    folders = home.folders()
    for folder in folders:
        state = folder.state().word
        if state not in local.ALIVE:
            raise Failure(
                f"Node {folder.node} does not run: it is {state}.",
                f"First: kcli cluster start {folder.node}{homes.option(home)}",
            )
    quorum = local.quorum(local.answering(folders))
    return sorted(folders, key=lambda folder: (quorum is not None and folder.node == quorum.leader, folder.node))


def _restart(home: LocalCluster, folder: Folder, sofar: str, seconds: int) -> None:
    """Restart one node, when the cluster can do without it, and wait until it can do without another.

    Interrupted, it leaves the node to start. Raises Failure: something takes too long.
    """
    progress = Progress()
    try:
        progress.of(f"{sofar}waiting until the cluster can do without node {folder.node} ")
        _wait_well(home, seconds, progress)
        progress.of(f"{sofar}node {folder.node} stops ")
        try:
            local.stop([folder])
        except KeyboardInterrupt:
            local.stop([folder])  # it has been told to, and cannot start again before
            folder.start()
            raise
        progress.of(f"{sofar}node {folder.node} starts ")
        process, log_from = folder.start()
        folder.wait_ready(process, log_from, plan.address(local.node_of(folder)), progress.tick)
        progress.of(f"{sofar}node {folder.node} catches up ")
        _wait_well(home, seconds, progress)
    finally:
        progress.clear()


def _wait_well(home: LocalCluster, seconds: int, progress: Progress) -> None:
    """Raises Failure: after so long there is still something that the cluster lacks."""
    deadline = time.monotonic() + seconds
    nodes = [local.node_of(folder) for folder in home.folders()]
    committed: int | None = None
    while True:
        wrong, committed = local.unwell(nodes, committed)
        if wrong is None:
            return
        if time.monotonic() >= deadline:
            raise Failure(
                f"The cluster is not well after {seconds} s: {wrong}.",
                "No other node is restarted. See kcli cluster status and the logs; --timeout S waits longer.",
            )
        progress.tick()
        time.sleep(local.POLL_S)


def _interrupted(folder: Folder, done: list[int], left: list[int]) -> Failure:
    def told(nodes: list[int]) -> str:
        return ", ".join(map(str, nodes)) or "none"

    state = "runs" if folder.state().word in local.ALIVE else "does not run"
    return Failure(
        f"Interrupted at node {folder.node}, which {state}. Restarted: {told(done)}. Not yet: {told(left)}.",
        "See: kcli cluster status",
        INTERRUPTED,
    )
