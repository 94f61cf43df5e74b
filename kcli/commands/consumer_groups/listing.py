"""kcli consumer-groups --list, --describe, --validate-regex."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from kcli.client import Admin
from kcli.commands.consumer_groups import frame
from kcli.errors import Failure
from kcli.model.groups import EMPTY, Committed, Group
from kcli.model.moves import TopicPartition
from kcli.model.offsets import LATEST, Position
from kcli.plan import groups as plan
from kcli.plan import regexes
from kcli.render import consumer_groups as render
from kcli.report import Report

UNKNOWN = "Unknown"


def list_(admin: Admin, *, state: str | None, type_: str | None, **_: Any) -> Report:
    """state, type_: filters; empty: show the column; None: do not."""
    states = plan.states(state) if state else None
    types = plan.types(type_) if type_ else None
    found = [
        one
        for one in plan.of_consumers(admin.list_groups())
        if (states is None or one.state in states) and (types is None or one.type in types)
    ]
    plain = state is None and type_ is None
    text = render.names(found) if plain else render.listing(found, types=type_ is not None, states=state is not None)
    return Report(text, {"action": "list", "groups": render.listing_data(found)})


def describe(
    admin: Admin, *, group: Sequence[str], all_groups: bool, members: bool, state: str | None, verbose: bool, **_: Any
) -> Report:
    names = frame.chosen(admin, group, all_groups=all_groups)
    found = frame.described(admin, names)
    offsets = {} if members or state is not None else frame.committed(admin, names)
    ends = _ends(admin, found, offsets)
    text, data = [], []
    for name, one in found.items():
        _note(one)
        rows = plan.standings(one, offsets[name], ends) if name in offsets else None
        if rows is not None:
            text.append(render.offsets(name, rows, verbose=verbose))
        elif members:
            text.append(render.members(one, verbose=verbose))
        else:
            text.append(render.state(one, verbose=verbose))
        data.append(render.group_data(one, rows))
    return Report("".join(text), {"action": "describe", "groups": data})


def _note(group: Group) -> None:
    """What Kafka tells of a group before its table. Raises Failure: the broker tells no state."""
    if group.state == EMPTY:
        click.echo(render.no_members(group.id), err=True)
    elif group.state in plan.REBALANCING:
        click.echo(render.rebalancing(group.id), err=True)
    elif group.state == UNKNOWN:
        raise Failure(f"Expected a valid consumer group state, but found '{group.state}'.")


def _ends(
    admin: Admin, groups: Mapping[str, Group], offsets: Mapping[str, Mapping[TopicPartition, Committed]]
) -> dict[TopicPartition, int]:
    """The ends of all partitions of all groups, as far as leaders tell them, asked for at once."""
    wanted = {one for name in offsets for one in plan.known_partitions(groups[name], offsets[name])}
    if not wanted:
        return {}
    answers = admin.list_offsets(dict.fromkeys(sorted(wanted), LATEST))
    return {one: found.offset for one, found in answers.items() if isinstance(found, Position)}


def validate(expression: str) -> Report:
    """Exit 1 for an expression that brokers would not take; Kafka exits 0."""
    trouble = regexes.trouble(expression)
    verdict = "valid." if trouble is None else f"invalid: {trouble}."
    data = {"action": "validate-regex", "regex": expression, "valid": trouble is None, "trouble": trouble}
    return Report(f"The regular expression `{expression}` is {verdict}\n", data, failed=trouble is not None)
