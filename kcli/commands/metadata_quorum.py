"""kcli metadata-quorum: describe and change the quorum of controllers (bin/kafka-metadata-quorum.sh)."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from kcli import arguments, options, properties
from kcli.client import Admin
from kcli.errors import Failure, Refused
from kcli.plan import quorum as plan
from kcli.render import quorum as render
from kcli.report import Report

EXAMPLES = """
    kcli metadata-quorum describe --status
    kcli metadata-quorum describe --replication --human-readable
    kcli metadata-quorum --bootstrap-controller localhost:19092 describe --status
    kcli metadata-quorum --command-config controller.properties add-controller --dry-run
"""
NO_CONFIG = "You must supply the configuration file of the controller you are adding when using add-controller."


@click.group(cls=arguments.Tools, examples=EXAMPLES)
@arguments.bootstrap_of_group
def command() -> None:
    """Describe the quorum of controllers, and change who votes in it.

    The options of the connection may stand before or behind the sub-command.
    """


@command.command(examples="kcli metadata-quorum describe --status")
@click.option("--status", is_flag=True, help="A summary: leader, epoch, high watermark, lag, voters.")
@click.option("--replication", is_flag=True, help="How far each replica of the metadata log is.")
@click.option("--human-readable", is_flag=True, help="Times as time passed since; with --replication.")
@arguments.bootstrap
@options.output
def describe(admin: Admin, controllers: bool, status: bool, replication: bool, human_readable: bool) -> Report:
    """Tell who is in the quorum, who leads it, and how far the others are."""
    plan.check_describe(status=status, replication=replication, human_readable=human_readable)
    quorum = admin.describe_quorum()
    leader = plan.leader(quorum)
    if status:
        cluster, lag = admin.describe_cluster(controllers=controllers), plan.max_lag(quorum)
        return Report(render.status(quorum, cluster.id, *lag), render.status_data(quorum, cluster.id, *lag))
    ages = None
    if human_readable:
        now_ms = time.time_ns() // 1_000_000
        ages = [
            (
                plan.age_ms(each.last_fetch_timestamp_ms, now_ms, "last fetch"),
                plan.age_ms(each.last_caught_up_timestamp_ms, now_ms, "last caught up"),
            )
            for each, _ in render.members(quorum)
        ]
    return Report(render.replication(quorum, leader, ages), render.replication_data(quorum, leader))


@command.command(
    "add-controller", examples="kcli metadata-quorum --command-config controller.properties add-controller --dry-run"
)
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@arguments.bootstrap_and_config
@options.output
def add_controller(admin: Admin, dry_run: bool, command_config: str | None) -> Report:
    """Make a controller a voter. --command-config is its server.properties.

    The controller has to run: it becomes a voter once it has caught up with the leader.
    """
    if command_config is None:
        raise Failure(NO_CONFIG)
    new = plan.added(properties.load(command_config))
    directory_id = _directory_id(new.metadata_directory)
    if not dry_run:
        with _advised():
            admin.add_raft_voter(new.id, directory_id, new.endpoints)
    return Report(*render.added(new.id, directory_id, new.endpoints, dry_run=dry_run))


@command.command(
    "remove-controller",
    examples="kcli metadata-quorum remove-controller --controller-id 2 --controller-directory-id UUID --dry-run",
)
@click.option("--controller-id", "-i", type=options.INT, metavar="N", required=True, help="The controller's node id.")
@click.option("--controller-directory-id", "-d", metavar="UUID", required=True, help="The id of its directory.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@arguments.bootstrap
@options.output
def remove_controller(
    admin: Admin, controllers: bool, controller_id: int, controller_directory_id: str, dry_run: bool
) -> Report:
    """Make a voter an observer."""
    from kcli.formats import id_trouble

    if controller_id < 0:
        raise Failure(f"Invalid negative --controller-id: {controller_id}")
    wrong = id_trouble(controller_directory_id)
    if wrong:
        raise Failure(f"Failed to parse --controller-directory-id: {wrong}")
    if not dry_run:
        with _advised():
            admin.remove_raft_voter(controller_id, controller_directory_id)
    return Report(*render.removed(controller_id, controller_directory_id, dry_run=dry_run))


@contextmanager
def _advised() -> Iterator[None]:
    """Say what to do about a refusal."""
    try:
        yield
    except Refused as refused:
        refused.advice = refused.advice or plan.ADVICE.get(refused.name)
        raise


def _directory_id(directory: str) -> str:
    from kcli.formats import storage as files

    if not os.path.exists(os.path.join(directory, "meta.properties")):
        raise Failure(f"Unable to read meta.properties from {directory}")
    meta = files.read_meta(directory)
    if meta is None or meta.directory_id is None:
        raise Failure(f"No directory id found in {directory}")
    return meta.directory_id
