"""What the sub-commands for local clusters share: --dir, the nodes that are meant, how the cluster is afterwards."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from kcli import nodes as local
from kcli.cluster.local import Folder, LocalCluster, default_path
from kcli.errors import Failure
from kcli.plan import cluster as plan
from kcli.render import cluster as render
from kcli.report import Report


def at(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add --dir; the body gets it as `path`."""
    return click.option(
        "--dir",
        "path",
        metavar="DIR",
        help="The cluster's folder. Default: $XDG_STATE_HOME/kcli-kafka/clusters/default.",
    )(body)


def nodes(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add NODE...; the body gets their ids as `nodes`."""
    return click.argument("nodes", metavar="NODE...", nargs=-1, required=True, type=int)(body)


def home(path: str | None) -> LocalCluster:
    found = LocalCluster(path or default_path())
    if "," in found.path:
        raise Failure(f"{found.path}: a cluster's folder cannot have a comma in its name.", "log.dirs is a list.")
    return found


def existing(path: str | None) -> LocalCluster:
    """The cluster of a folder. Raises Failure: there is none."""
    found = home(path)
    if not found.folders():
        raise Failure(f"There is no cluster in {found.path}.", f"Make one with: kcli cluster up{option(found)}")
    return found


def chosen(cluster: LocalCluster, ids: Sequence[int]) -> list[Folder]:
    """The nodes of these ids, each once. Raises Failure: there is none of an id."""
    folders = {folder.node: folder for folder in cluster.folders()}
    for node in ids:
        if node not in folders:
            known = ", ".join(map(str, folders))
            raise Failure(f"The cluster has no node {node}: it has {known}.", "See: kcli cluster status")
    return [folders[node] for node in dict.fromkeys(ids)]


def report(cluster: LocalCluster, words: str) -> Report:
    """What a command says that changed nodes."""
    rows = local.rows(cluster)
    return Report(
        words, render.status_data(rows, cluster.path, plan.bootstrap([row.node for row in rows]), cluster.sides())
    )


def option(cluster: LocalCluster) -> str:
    """The option that a line to copy needs to mean this cluster."""
    if cluster.path == os.path.abspath(default_path()):
        return ""
    import shlex  # only for clusters elsewhere

    return f" --dir {shlex.quote(cluster.path)}"
