"""kcli consumer-groups undo, history, copy: the way back from a change, and a group's offsets for another group."""

from collections.abc import Mapping

import click

from kcli import options
from kcli.client import Admin
from kcli.commands.consumer_groups import frame, journal
from kcli.commands.consumer_groups.reset import altered, commit
from kcli.errors import Failure, Refused
from kcli.model.groups import EMPTY, Change, Committed, Reset
from kcli.model.moves import TopicPartition
from kcli.plan import groups as plan
from kcli.render import resets as render
from kcli.report import Report

GROUP_ID_NOT_FOUND = 69


@click.command(cls=options.Tool, examples="kcli consumer-groups history")
@options.output
def history() -> Report:
    """List the changes of offsets that were made from here."""
    found = journal.entries()
    return Report(render.history(found), {"action": "history", "changes": [render.change_data(one) for one in found]})


@click.command(cls=options.Tool, examples="kcli consumer-groups undo\nkcli consumer-groups undo 20261120-171901")
@click.argument("entry", metavar="[ID]", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.output
@frame.connected
def undo(admin: Admin, entry: str | None, yes: bool) -> Report:
    """Give groups the offsets back that they had before a change, by default the last one; undone again by undo."""
    change = journal.find(entry, admin.describe_cluster().id)
    for name in change.former:
        _require_inactive(admin, name)
    now = frame.committed(admin, tuple(change.former))
    frame.confirm(render.restored(change).splitlines()[1:], "Go back to these offsets?", yes=yes)
    touched = {name: {one: now[name].get(one) for one in rows} for name, rows in change.former.items()}
    made = journal.add(admin, "undo", touched)
    answers = {name: _restored(admin, name, rows) for name, rows in change.former.items()}
    if all(no for rows in answers.values() for no in rows.values()):
        journal.forget(made)
    failures = render.failures(answers)
    done = {
        name: {one: then for one, then in rows.items() if answers[name].get(one) is None}
        for name, rows in change.former.items()
    }
    kept = Change(change.id, change.cluster_id, change.when, change.what, done)
    return Report(render.restored(kept), {"action": "undo", "change": render.change_data(kept)}, failures)


@click.command(
    cls=options.Tool,
    examples="kcli consumer-groups copy orders-app orders-app-2\n"
    "kcli consumer-groups copy orders-app orders-app-2 --topic orders --dry-run",
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--topic", metavar="TOPIC[:0,1]", multiple=True, help="Only offsets of this topic; repeatable.")
@click.option("--dry-run", is_flag=True, help="Show what would be committed, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.output
@frame.connected
def copy(admin: Admin, source: str, target: str, topic: tuple[str, ...], dry_run: bool, yes: bool) -> Report:
    """Commit for the group TO, which may have no members, what the group FROM has committed."""
    frame.described(admin, [source])
    _require_inactive(admin, target)
    committed = frame.committed(admin, [source, target])
    scopes = plan.scopes(topic)
    wanted: dict[TopicPartition, Committed] = {
        one: offset
        for one, offset in sorted(committed[source].items())
        if not topic or any(one[0] == name and (numbers is None or one[1] in numbers) for name, numbers in scopes)
    }
    if not wanted:
        raise Failure(f"The group {source} has committed nothing{' for that' if topic else ''}")
    rows = tuple(Reset(*one, committed[target].get(one), offset.offset) for one, offset in wanted.items())
    plans: Mapping[str, tuple[Reset, ...]] = {target: rows}
    failures: tuple[str, ...] = ()
    if not dry_run:
        frame.confirm(render.outlook(plans).splitlines(), f"Commit these offsets for {target}?", yes=yes)
        plans, failures = commit(admin, plans, {target: {**committed[target], **wanted}}, "copy")
    data = {"action": "copy", "from": source, "executed": not dry_run, "offsets": render.plan_data(plans)}
    return Report(render.table(plans), data, failures)


def _restored(
    admin: Admin, group: str, rows: Mapping[TopicPartition, Committed | None]
) -> dict[TopicPartition, Refused | None]:
    """Commit what was committed, and forget what was not."""
    answers = dict(altered(admin, group, {one: offset for one, offset in rows.items() if offset is not None}))
    forgotten = [one for one, offset in rows.items() if offset is None]
    if not forgotten:
        return answers
    try:
        return answers | dict(admin.delete_group_offsets(group, forgotten))
    except Refused as no:
        # A group that is gone has forgotten all.
        return answers | dict.fromkeys(forgotten, None if no.code == GROUP_ID_NOT_FOUND else no)


def _require_inactive(admin: Admin, group: str) -> None:
    answer = admin.describe_groups([group])[group]
    if isinstance(answer, Refused):
        if answer.code != GROUP_ID_NOT_FOUND:
            raise answer
    elif answer.state != EMPTY:
        raise Failure(
            f"Offsets can only be changed if the group '{group}' is inactive, but the current state is {answer.state}.",
            "Stop its consumers first.",
        )


PARTS = {"undo": undo, "history": history, "copy": copy}
