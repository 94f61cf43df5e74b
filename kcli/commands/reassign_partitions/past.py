"""kcli reassign history, rollback, unthrottle: what is left of earlier reassignments, and the way back."""

import click

from kcli import options
from kcli.client import Admin
from kcli.commands.reassign_partitions import carrying, clearing, frame, journal
from kcli.commands.reassign_partitions.carrying import Manner
from kcli.commands.reassign_partitions.pacing import paced
from kcli.model.moves import ANY, Plan
from kcli.render import reassignment as render
from kcli.report import Report


@click.command(cls=options.Tool, examples="kcli reassign history")
@options.output
def history() -> Report:
    """List the reassignments that were begun from here."""
    found = journal.entries()
    data = {
        "action": "history",
        "entries": [
            {
                "id": entry.id,
                "clusterId": entry.cluster_id,
                "began": entry.began,
                "plan": render.document(entry.plan),
                "former": render.document(entry.former),
            }
            for entry in found
        ],
    }
    return Report(render.history(found), data)


@click.command(cls=options.Tool, examples="kcli reassign rollback\nkcli reassign rollback 20261120-171901 --watch")
@click.argument("entry", metavar="[ID]", required=False)
@paced
@options.connection
@options.output
@frame.framed
def rollback(admin: Admin, entry: str | None, manner: Manner) -> Report:
    """Move partitions back to where they were before a reassignment, by default the last one, as 'apply' does."""
    found = journal.find(entry, admin.describe_cluster().id)
    placed = any(path != ANY for target in found.plan for path in target.log_dirs)
    # Directories count only where the plan named some: else brokers choose, as they did before.
    former = (
        found.former if placed else tuple(one._replace(log_dirs=(ANY,) * len(one.replicas)) for one in found.former)
    )
    wanted = Plan(former, found.cluster_id, {target.key: target.replicas for target in found.plan})
    return carrying.carry_out(admin, wanted, manner, action="rollback", again=None)


@click.command(cls=options.Tool, examples="kcli reassign unthrottle")
@click.option("--force", is_flag=True, help="Also while something moves.")
@options.connection
@options.output
@frame.framed
def unthrottle(admin: Admin, force: bool) -> Report:
    """Clear throttles that an earlier reassignment left on brokers and topics."""
    return clearing.unthrottle(admin, force=force)
