"""kcli lag: how far groups are behind, in records and in time; the worst first.

No tool of Kafka's tells this. It looks twice, so that it knows how fast records come and go, and when a group will have
caught up. --max-lag and --max-lag-seconds make it a check for scripts: exit code 2 if a group is beyond them.
"""

import itertools
import json
import sys
import time
from collections.abc import Mapping, Sequence

import click

from kcli import options
from kcli.client import Admin
from kcli.errors import Failure, Refused, Usage
from kcli.model.groups import Committed, Group, GroupLag
from kcli.model.moves import TopicPartition
from kcli.model.offsets import EARLIEST, LATEST, MAX_TIMESTAMP, Position
from kcli.options import Given
from kcli.pipeline import decoding
from kcli.plan import groups as groups_plan
from kcli.plan import lag as plan
from kcli.plan.topics import matcher
from kcli.render import lag as render
from kcli.report import Report

EXAMPLES = """
    kcli lag
    kcli lag --group orders-app --partitions
    kcli lag --watch --interval 5
    kcli lag --max-lag 10000 --max-lag-seconds 60 || alert
    kcli lag --output json --interval 0
"""
EXCEEDED = 2
INTERVAL_S = 1.0
CLEAR = "\x1b[H\x1b[2J"


def check(given: Given) -> None:
    if given.has("times") and not given.has("watch"):
        raise Usage("Option times is only allowed if watch is used")


@click.command(cls=options.Tool, check=check, examples=EXAMPLES)
@click.option("--group", metavar="GROUP", multiple=True, help="Only this group; repeatable. Default: all of consumers.")
@click.option("--topic", metavar="REGEX", shell_complete=options.topic_names, help="Only these topics.")
@click.option("--partitions", is_flag=True, help="A line for each partition.")
@click.option(
    "--interval",
    type=click.FloatRange(0),
    default=INTERVAL_S,
    metavar="SECONDS",
    help=f"Between two looks, which make rates, and those of --watch; 0: one look, no rates. Default: {INTERVAL_S:g}.",
)
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option("--times", type=click.IntRange(1), metavar="N", help="With --watch: end after so many tables.")
@click.option("--max-lag", type=click.IntRange(0), metavar="N", help="Exit with 2 if a group is more records behind.")
@click.option("--max-lag-seconds", type=click.FloatRange(0), metavar="S", help="Exit with 2 if one is longer behind.")
@options.connection
@options.output
def command(
    admin: Admin,
    group: Sequence[str],
    topic: str | None,
    interval: float,
    watch: bool,
    times: int | None,
    max_lag: int | None,
    max_lag_seconds: float | None,
    partitions: bool,
) -> Report:
    """Tell how far consumer groups are behind, in records and in time."""
    if watch and not interval:
        raise Usage("Option interval has to be more than 0 if watch is used")
    show = render.partitions if partitions else render.groups
    before = _look(admin, group, topic)[1] if interval else None
    for turn in itertools.count(1):
        time.sleep(interval)
        groups, after = _look(admin, group, topic)
        found = _lags(admin, groups, before, after)
        before = after
        exceeded = plan.exceeding(found, max_lag, max_lag_seconds)
        report = Report(show(found), render.data(found, exceeded), exceeded, exit_code=EXCEEDED if exceeded else 0)
        if not watch or turn == times:
            return report
        _show(report)
    raise AssertionError("the count does not end")


def _show(report: Report) -> None:
    """A table between others; as data a line."""
    if click.get_current_context().params["output"] == "text":
        click.echo((CLEAR if sys.stdout.isatty() else "") + report.text)
    else:
        click.echo(json.dumps(report.data))
    for line in report.failures:
        click.echo(line, err=True)


def _look(admin: Admin, names: Sequence[str], topic: str | None) -> tuple[Mapping[str, Group], plan.Look]:
    """The groups, and where they and the partitions are now. Raises Failure: a group that was named is none."""
    wanted = sorted(set(names)) or [one.id for one in groups_plan.of_consumers(admin.list_groups())]
    groups = {}
    for name, answer in (admin.describe_groups(wanted) if wanted else {}).items():
        if not isinstance(answer, Refused):
            groups[name] = answer
        elif names:
            raise Failure(answer.message, "See 'kcli groups --list'.") from answer
    fits = matcher(topic)
    committed: dict[str, Mapping[TopicPartition, Committed]] = {}
    for name, rows in (admin.list_group_offsets(list(groups)) if groups else {}).items():
        if isinstance(rows, Refused):
            raise rows
        committed[name] = {one: offset for one, offset in rows.items() if fits(one[0])}
    partitions = sorted({one for rows in committed.values() for one in rows})
    return groups, plan.Look(time.monotonic_ns() // 1_000_000, committed, _offsets(admin, partitions, LATEST))


def _lags(
    admin: Admin, groups: Mapping[str, Group], before: plan.Look | None, after: plan.Look
) -> tuple[GroupLag, ...]:
    behind = sorted(plan.behind(after))
    newest = _positions(admin, behind, MAX_TIMESTAMP)
    newest_ms = {one: found.timestamp_ms for one, found in newest.items() if found.offset >= 0}
    starts = _offsets(admin, behind, EARLIEST)
    places: dict[tuple[TopicPartition, int], list[str]] = {}
    for name, rows in after.committed.items():
        for one, offset in rows.items():
            if one in starts and one in after.ends and offset.offset < after.ends[one]:
                places.setdefault((one, max(offset.offset, starts[one])), []).append(name)
    times = _times(admin, list(places))
    next_ms = {(name, place[0]): times[place] for place, names in places.items() if place in times for name in names}
    return plan.lags(groups, before, after, next_ms, newest_ms)


def _times(admin: Admin, places: Sequence[tuple[TopicPartition, int]]) -> dict[tuple[TopicPartition, int], int]:
    """The times of the records at some offsets, or behind them; each round asks for one offset of a partition."""
    found, left = {}, list(places)
    while left:
        turn: dict[TopicPartition, int] = {}
        for one, offset in left:
            turn.setdefault(one, offset)
        left = [place for place in left if turn[place[0]] != place[1]]
        for one, answer in admin.read_records(turn).items():
            if not isinstance(answer, Refused) and (ms := _time_at(answer, turn[one])) is not None:
                found[one, turn[one]] = ms
    return found


def _time_at(data: bytes, offset: int) -> int | None:
    """The time of the first record from an offset on; that of its batch where the batch was cut off."""
    view = memoryview(data)
    for head, batch in decoding.batches(view):
        if head.next_offset <= offset:
            continue
        if head.append_time:
            return head.max_ms
        records = decoding.Block("", 0, head, batch, offset).records()
        return next((record.timestamp_ms for record in records), head.base_ms)
    return decoding.first_ms(view)


def _positions(admin: Admin, partitions: Sequence[TopicPartition], place: int) -> dict[TopicPartition, Position]:
    """Those that leaders tell: a partition that is gone or has no leader is left out."""
    answers = admin.list_offsets(dict.fromkeys(partitions, place)) if partitions else {}
    return {one: found for one, found in answers.items() if not isinstance(found, Refused)}


def _offsets(admin: Admin, partitions: Sequence[TopicPartition], place: int) -> dict[TopicPartition, int]:
    return {one: found.offset for one, found in _positions(admin, partitions, place).items()}
