"""kcli consumer-groups --reset-offsets: plan new offsets, show them, commit them.

Beyond Kafka: at a terminal it shows what each partition would skip or read again, and asks; the former offsets go into
the journal, from which `kcli consumer-groups undo` has them back.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import click

from kcli.client import Admin
from kcli.commands.consumer_groups import frame, journal
from kcli.errors import Failure, Refused
from kcli.model.groups import EMPTY, Committed, Reset
from kcli.model.moves import TopicPartition
from kcli.model.offsets import EARLIEST, LATEST, Position
from kcli.plan import groups as groups_plan
from kcli.plan import resets as plan
from kcli.render import resets as render
from kcli.report import Report

GROUP_ID_NOT_FOUND = 69
Offsets = Mapping[TopicPartition, Committed]


def reset_offsets(admin: Admin, *, execute: bool, export: bool, yes: bool, **given: Any) -> Report:
    scenario = Scenario(given)
    names = frame.chosen(admin, given["group"], all_groups=given["all_groups"])
    plans_of_file = scenario.file(names)
    notes, able = _inactive(admin, names)
    now = frame.committed(admin, able)
    if plans_of_file is None:
        partitions = _scoped(admin, given["topic"], now, able, all_topics=given["all_topics"])
    else:
        notes += [f"\nError: No reset plan for group {name} found\n" for name in able if name not in plans_of_file]
        partitions = {name: tuple(plans_of_file.get(name, ())) for name in able}
    _require(admin, {one for rows in partitions.values() for one in rows})
    wanted = scenario.offsets(admin, partitions, now)
    notes += [render.later(one for one in scenario.later if one in partitions[name]) for name in able]
    plans = {name: plan.resets(wanted[name], now[name]) for name in able}
    lines = render.outlook(plans).splitlines()
    failures: tuple[str, ...] = ()
    if execute and any(plans.values()):
        frame.confirm(lines, "Reset these offsets?", yes=yes)
        plans, failures = commit(admin, plans, now, "reset-offsets")
    elif frame.person_looks_on():
        click.echo("\n".join(lines), err=True)
    several = given["all_groups"] or len(names) > 1
    text = plan.exported(plans, with_group=several) if export else render.table(plans) if names else ""
    data = {"action": "reset-offsets", "executed": execute, "offsets": render.plan_data(plans)}
    failed = len(able) < len(names) or any("Error:" in note for note in notes)
    return Report("".join(notes) + text, data, failures, failed)


class Scenario:
    """The one way in which new offsets are found. `later`: partitions that have no record of the time or later."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Raises Failure: a time or a duration that is none."""
        self._given = given
        self.later: list[TopicPartition] = []
        self._time: int | None = None
        if given["to_datetime"] is not None:
            self._time = plan.datetime_ms(given["to_datetime"])
        elif given["by_duration"] is not None:
            self._time = max(0, time.time_ns() // 1_000_000 - plan.duration_ms(given["by_duration"]))
        self._plans: dict[str, plan.Plan] | None = None

    def file(self, groups: Sequence[str]) -> dict[str, plan.Plan] | None:
        """The plans of --from-file; None: there is no such option."""
        path = self._given["from_file"]
        if path is None:
            return None
        try:
            with open(path, encoding="utf-8", newline="") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise Failure(f"java.io.IOException: Unable to read file {path}", f"{why}.") from error
        self._plans = plan.imported(text, path, groups)
        return self._plans

    def offsets(
        self, admin: Admin, partitions: Mapping[str, Sequence[TopicPartition]], now: Mapping[str, Offsets]
    ) -> dict[str, plan.Plan]:
        """New offsets, group by group. Raises Refused, Usage."""
        given = self._given
        every = sorted({one for rows in partitions.values() for one in rows})
        if given["to_earliest"]:
            starts = _positions(admin, every, EARLIEST)
            return {name: {one: starts[one].offset for one in rows} for name, rows in partitions.items()}
        if self._time is not None:
            found, ends = _positions(admin, every, self._time), _positions(admin, every, LATEST)
            at_time, self.later = plan.at_time(found, ends)
            return {name: {one: at_time[one] for one in rows} for name, rows in partitions.items()}
        if given["to_latest"] or given["to_current"]:
            kept = {} if given["to_latest"] else now
            lacking = {one for name, rows in partitions.items() for one in rows if one not in kept.get(name, {})}
            ends = _positions(admin, sorted(lacking), LATEST)
            return {
                name: {one: kept[name][one].offset if one in kept.get(name, {}) else ends[one].offset for one in rows}
                for name, rows in partitions.items()
            }
        return self._cut(admin, every, {name: self._number(name, rows, now) for name, rows in partitions.items()})

    def _number(self, name: str, rows: Sequence[TopicPartition], now: Mapping[str, Offsets]) -> plan.Plan:
        if self._plans is not None:
            return self._plans.get(name, {})
        if self._given["shift_by"] is not None:
            return plan.shifted(rows, now[name], self._given["shift_by"])
        return dict.fromkeys(rows, self._given["to_offset"])

    def _cut(
        self, admin: Admin, every: Sequence[TopicPartition], wanted: Mapping[str, plan.Plan]
    ) -> dict[str, plan.Plan]:
        starts, ends = _positions(admin, every, EARLIEST), _positions(admin, every, LATEST)
        found = {}
        for name, rows in wanted.items():
            found[name], words = plan.within(rows, starts, ends)
            for one in sorted(words):
                click.echo(words[one], err=True)
        return found


def commit(
    admin: Admin, plans: Mapping[str, Sequence[Reset]], now: Mapping[str, Offsets], what: str
) -> tuple[dict[str, tuple[Reset, ...]], tuple[str, ...]]:
    """Commit new offsets, the former ones being in the journal. Returns what was done, and what was refused."""
    former = {name: {(row.topic, row.partition): row.now for row in rows} for name, rows in plans.items() if rows}
    entry = journal.add(admin, what, former)
    done: dict[str, tuple[Reset, ...]] = {}
    answers: dict[str, Mapping[TopicPartition, Refused | None]] = {}
    for name, rows in plans.items():
        kept = {one: now[name][one] for one in ((row.topic, row.partition) for row in rows) if one in now.get(name, {})}
        offsets = {
            (row.topic, row.partition): kept[row.topic, row.partition]
            if (row.topic, row.partition) in kept and kept[row.topic, row.partition].offset == row.then
            else Committed(row.then)
            for row in rows
        }
        answers[name] = altered(admin, name, offsets)
        done[name] = tuple(row for row in rows if answers[name].get((row.topic, row.partition)) is None)
    if not any(done.values()):
        journal.forget(entry)
    elif entry is not None and frame.person_looks_on():
        click.echo(render.recorded(entry), err=True)
    return done, render.failures(answers)


def altered(admin: Admin, group: str, offsets: Offsets) -> Mapping[TopicPartition, Refused | None]:
    """Commit for one group; a refusal of the whole is one of each partition."""
    if not offsets:
        return {}
    try:
        return admin.alter_group_offsets(group, offsets)
    except Refused as no:
        return dict.fromkeys(offsets, no)


def _inactive(admin: Admin, names: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Kafka's words on groups that have members, and the groups that have none, or are none yet. Raises Refused."""
    notes, able = [], []
    answers = admin.describe_groups(names) if names else {}
    for name in names:
        answer = answers[name]
        if isinstance(answer, Refused):
            if answer.code != GROUP_ID_NOT_FOUND:
                raise answer
            able.append(name)
        elif answer.state == EMPTY:
            able.append(name)
        else:
            notes.append(render.active(name, answer.state))
    return notes, tuple(able)


def _scoped(
    admin: Admin, texts: Iterable[str], now: Mapping[str, Offsets], names: Sequence[str], *, all_topics: bool
) -> dict[str, tuple[TopicPartition, ...]]:
    """The partitions of --all-topics, else of --topic. Raises Failure: a topic is none."""
    if all_topics:
        return {name: tuple(sorted(now[name])) for name in names}
    scopes = groups_plan.scopes(texts)
    whole = sorted({topic for topic, numbers in scopes if numbers is None})
    topics = admin.describe_topics(whole) if whole else ()
    if len(topics) < len(whole):
        absent = sorted(set(whole) - {one.name for one in topics})
        raise Failure("This server does not host this topic-partition.", f"There is no topic {', '.join(absent)}.")
    return dict.fromkeys(names, groups_plan.partitions(scopes, topics))


def _require(admin: Admin, partitions: Collection[TopicPartition]) -> None:
    """Raise Failure, in Kafka's words, for partitions that there are not."""
    if not partitions:
        return
    topics = admin.describe_topics(sorted({topic for topic, _ in partitions}))
    known = {(topic.name, one.id) for topic in topics for one in topic.partitions}
    absent = ",".join(f"{topic}-{index}" for topic, index in sorted(set(partitions) - known))
    if absent:
        raise Failure(f'The partitions "{absent}" do not exist')


def _positions(admin: Admin, partitions: Collection[TopicPartition], time_: int) -> dict[TopicPartition, Position]:
    found = {}
    answers = admin.list_offsets(dict.fromkeys(partitions, time_)) if partitions else {}
    for one, answer in answers.items():
        if isinstance(answer, Refused):
            raise answer
        found[one] = answer
    return found
