"""kcli get-offsets: the offset of each partition at a place or a time (bin/kafka-get-offsets.sh)."""

from typing import Any

import click

from kcli import options
from kcli.client import Admin
from kcli.errors import Failure, Refused, Setup, Usage
from kcli.options import Given
from kcli.plan import offsets as plan
from kcli.render import offsets as render
from kcli.report import Report

EXAMPLES = """
    kcli get-offsets --topic orders
    kcli get-offsets --topic 'orders|pays' --time earliest
    kcli get-offsets --topic orders --partitions 0,1 --time 1700000000000
    kcli get-offsets --topic-partitions 'orders:0-3,pays,audit:5-' --exclude-internal-topics
    kcli get-offsets --time max-timestamp --output json
"""
PURPOSE = "An interactive shell for getting topic-partition offsets."
PREFIX = "Error occurred: "
PLACES = ", ".join(f"{word} ({number})" for word, number in plan.PLACES.items())


class _Tool(options.Tool):
    """Every mistake gets the same words before it, usage too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except Failure as failure:
            if args:
                failure.message = PREFIX + failure.message
            raise


def check(given: Given) -> None:
    if given.has("topic-partitions") and (given.has("topic") or given.has("partitions")):
        raise Usage("--topic-partitions cannot be used with --topic or --partitions")


@click.command(cls=_Tool, check=check, examples=EXAMPLES, purpose=PURPOSE)
@click.option("--topic", metavar="REGEX", shell_complete=options.topic_names, help="The topics. Default: all.")
@click.option("--partitions", metavar="N,...", help="Only these partitions of them.")
@click.option(
    "--topic-partitions",
    metavar="RULE,...",
    help="Rules [REGEX][:N | :N-M | :N- | :-M] in place of both; M is not included. Default topic of a rule: all.",
)
@click.option(
    "--time",
    default="latest",
    metavar="PLACE|MS",
    help=f"The place: {PLACES}; or the first record of this time or later. Default: latest.",
)
@click.option("--exclude-internal-topics", is_flag=True, help="Leave out Kafka's own topics.")
@options.connection
@options.output
def command(admin: Admin, **given: Any) -> Report:
    """Tell the offset of each partition: its end, its start, or at a time."""
    try:
        return _told(admin, **given)
    except Failure as failure:
        failure.message = PREFIX + failure.message
        raise


def _told(
    admin: Admin,
    *,
    topic: str | None,
    partitions: str | None,
    topic_partitions: str | None,
    time: str,
    exclude_internal_topics: bool,
) -> Report:
    place = plan.place(time)
    if topic_partitions is not None:
        wanted = plan.by_rules(topic_partitions, exclude_internal=exclude_internal_topics)
    else:
        wanted = plan.by_topic(topic, partitions, exclude_internal=exclude_internal_topics)
    chosen = {
        (one.name, each.id): place
        for one in admin.describe_topics()
        for each in one.partitions
        if wanted(one.name, each.id)
    }
    if not chosen:
        raise Setup("Could not match any topic-partitions with the specified filters", "Try 'kcli topics --list'.")
    answers = admin.list_offsets(chosen)
    failed = {one: answer for one, answer in answers.items() if isinstance(answer, Refused)}
    rows = [
        (one, answer)
        for one in plan.text_order(answers)
        if not isinstance(answer := answers[one], Refused) and answer.offset >= 0
    ]
    told = tuple(render.skipped(one, failed[one]) for one in plan.text_order(failed))
    return Report(render.offsets(rows), render.offsets_data(rows, failed), told)
