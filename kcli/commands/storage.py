"""kcli storage: format the folders of a server, or tell what they hold (bin/kafka-storage.sh)."""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from kcli import arguments, options
from kcli.errors import Failure
from kcli.model import Credential, FirstVoter, Level, LogDir, Meta
from kcli.plan import storage as plan
from kcli.render import storage as render
from kcli.report import Report

if TYPE_CHECKING:
    from kcli.formats.storage import Node

EXAMPLES = """
    kcli storage random-uuid
    kcli storage format -t "$(kcli storage random-uuid)" -c server.properties
    kcli storage format -t 8oKgTfwXTvOPGWGdX6gbcQ -c controller.properties --standalone
    kcli storage info -c server.properties
    kcli storage version-mapping --release-version 4.0
    kcli storage feature-dependencies --feature transaction.version=2
"""
QUORUMS = (("--standalone", "--no-initial-controllers", "--initial-controllers"),)
SALT_BYTES = 20


@click.group(cls=arguments.Tools, examples=EXAMPLES, from_files=True)
def command() -> None:
    """Format the folders of a server, or tell what they hold."""


@command.command()
@click.option("--config", "-c", metavar="FILE", required=True, help="The server's properties.")
@options.output
def info(config: str) -> Report:
    """Tell what the log directories of a server hold, and what is wrong with them."""
    from kcli.formats import storage as files

    found = [_found(each) for each in files.node(config).directories]
    problems = plan.problems(found)
    return Report(render.info(found, problems), render.info_data(found, problems), failed=bool(problems))


@command.command(
    "format", exclusive=QUORUMS, examples="\n".join(line for line in EXAMPLES.splitlines() if "storage format" in line)
)
@click.option("--config", "-c", metavar="FILE", required=True, help="The server's properties.")
@click.option("--cluster-id", "-t", metavar="ID", required=True, help="The cluster's id; random-uuid draws one.")
@click.option(
    "--add-scram",
    "-S",
    metavar="SCRAM-SHA-256=[name=..,password=..]",
    multiple=True,
    help="A user that the cluster shall know from the start; repeatable.",
)
@click.option("--ignore-formatted", "-g", is_flag=True, help="Leave formatted directories, and format the others.")
@click.option("--release-version", "-r", metavar="X.Y[-IVn]", help="The metadata version. Default: 4.3-IV0.")
@click.option("--feature", "-f", metavar="NAME=LEVEL", multiple=True, help="The level of a feature; repeatable.")
@click.option("--standalone", "-s", is_flag=True, help="This controller alone is the dynamic quorum.")
@click.option("--no-initial-controllers", "-N", is_flag=True, help="A dynamic quorum that other nodes have or make.")
@click.option(
    "--initial-controllers", "-I", metavar="ID@HOST:PORT:UUID,...", help="The controllers of the dynamic quorum."
)
@options.output
def format_(
    config: str,
    cluster_id: str,
    add_scram: Sequence[str],
    ignore_formatted: bool,
    release_version: str | None,
    feature: Sequence[str],
    standalone: bool,
    no_initial_controllers: bool,
    initial_controllers: str | None,
) -> Report:
    """Make the log directories of a server those of a node of a cluster."""
    from kcli.formats import features
    from kcli.formats import storage as files

    node = files.node(config)
    asked = plan.levels(feature)
    plan.check_quorum(
        is_controller=node.is_controller,
        static=node.static,
        standalone=standalone,
        voters=initial_controllers is not None,
        no_voters=no_initial_controllers,
    )
    voters = _voters(node, standalone, initial_controllers)
    credentials = [plan.credential(text, lambda: os.urandom(SALT_BYTES)) for text in add_scram]
    levels = features.of_new_cluster(
        release_version,
        asked,
        unstable=node.unstable,
        dynamic_quorum=bool(voters) or (no_initial_controllers and not node.static),
    )
    if credentials and levels[0].level < features.SCRAM_SINCE:
        raise Failure("SCRAM is only supported in metadata.version 3.5-IV2 or later.")
    found = [_found(each) for each in node.directories]
    plan.check_formatted(found, cluster_id, node.id)
    return _formatted(node, cluster_id, voters, levels, credentials, found, ignore_formatted)


def _formatted(
    node: "Node",
    cluster_id: str,
    voters: Sequence[FirstVoter],
    levels: Sequence[Level],
    credentials: Sequence[Credential],
    found: Sequence[LogDir],
    ignore_formatted: bool,
) -> Report:
    """Format the directories that are not; those that are files are left out with a word."""
    from kcli.formats import new_id
    from kcli.formats import storage as files

    unreadable = [each.path for each in found if each.kind == "file"]
    done = [each.path for each in found if each.kind == "formatted"]
    todo = [each.path for each in found if each.kind in ("missing", "empty")]
    text = "".join(f"I/O error trying to read log directory {path}. Ignoring...\n" for path in unreadable)
    if not todo and not done:
        raise Failure("No available log directories to format.", text.rstrip("\n") or None)
    if done and not ignore_formatted:
        raise Failure(
            f"Log directory {done[0]} is already formatted. Use --ignore-formatted to ignore this directory and format "
            "the others."
        )
    if not todo:
        text += "All of the log directories are already formatted.\n"
        return Report(text, render.formatted_data([], unreadable, cluster_id, levels))
    text += render.bootstrap(levels, credentials)
    rows = []
    for path in todo:
        kind = plan.kind_of(path, node.metadata_directory, node.id, voters)
        own = next((v.directory_id for v in voters if kind == plan.DYNAMIC_VOTER and v.id == node.id), None) or new_id()
        first = (node.controller_listener, voters) if kind in (plan.DYNAMIC, plan.DYNAMIC_VOTER) else None
        meta = Meta(cluster_id, node.id, own)
        try:
            files.write_directory(path, meta, levels, credentials, first, time.time_ns() // 1_000_000)
        except OSError as error:
            raise Failure(f"Error while writing meta.properties file {path}: {error.strerror}") from error
        text += render.formatting(kind, path, levels[0].release or "")
        rows.append((path, kind, own))
    return Report(text, render.formatted_data(rows, unreadable, cluster_id, levels))


@command.command("version-mapping", examples="kcli storage version-mapping --release-version 4.0")
@click.option("--release-version", "-r", metavar="X.Y[-IVn]", help="Default: the latest, 4.3-IV0.")
@options.output
def version_mapping(release_version: str | None) -> Report:
    """Tell the levels of the features in a new cluster of a release."""
    from kcli.formats import features

    levels = features.mapping(release_version)
    return Report(render.mapping(levels), {"features": render.levels_data(levels)})


@command.command("feature-dependencies", examples="kcli storage feature-dependencies --feature transaction.version=2")
@click.option(
    "--feature", "-f", metavar="NAME=LEVEL", multiple=True, required=True, help="A level of a feature; repeatable."
)
@options.output
def feature_dependencies(feature: Sequence[str]) -> Report:
    """Tell what levels of features need of others."""
    from kcli.formats import features

    rows = [features.dependencies(*plan.dependency(text)) for text in feature]
    text = "".join(render.dependencies(level, needs) for level, needs in rows)
    data = [
        {"feature": level.name, "level": level.level, "release": level.release, "requires": render.levels_data(needs)}
        for level, needs in rows
    ]
    return Report(text, {"dependencies": data})


@command.command("random-uuid", examples="kcli storage random-uuid")
@options.output
def random_uuid() -> Report:
    """Draw an id for a new cluster."""
    from kcli.formats import new_id

    drawn = new_id()
    return Report(f"{drawn}\n", {"uuid": drawn})


def _voters(node: "Node", standalone: bool, initial: str | None) -> tuple[FirstVoter, ...]:
    if initial is not None:
        return plan.first_voters(initial)
    if not standalone:
        return ()
    from kcli.formats import new_id

    if not node.controllers:
        raise Failure("No controller listeners found.")
    return (FirstVoter(node.id, node.controllers[0].host, node.controllers[0].port, new_id()),)


def _found(path: str) -> LogDir:
    """Look at a log directory."""
    from kcli.formats import storage as files

    path = path.rstrip("/") or "/"
    if not os.path.exists(path):
        return LogDir(path, "missing")
    if not os.path.isdir(path):
        return LogDir(path, "file")
    try:
        meta = files.read_meta(path)
    except OSError as error:
        return LogDir(path, "broken", error=error.strerror or str(error))
    except Failure as failure:
        return LogDir(path, "broken", error=failure.message)
    return LogDir(path, "formatted", meta) if meta else LogDir(path, "empty")
