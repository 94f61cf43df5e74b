"""kcli delete-records: delete the records of partitions before an offset (bin/kafka-delete-records.sh).

Beyond Kafka: --dry-run tells how many records of each partition would go. The exit code is 1 if a partition fails.
"""

import click

from kcli import documents, options
from kcli.client import Admin
from kcli.errors import Refused
from kcli.model.moves import TopicPartition
from kcli.model.offsets import EARLIEST, LATEST, Position
from kcli.options import Given
from kcli.plan import offsets as plan
from kcli.render import offsets as render
from kcli.report import Report

EXAMPLES = """
    echo '{"partitions": [{"topic": "orders", "partition": 0, "offset": 100}], "version": 1}' > records.json
    kcli delete-records --offset-json-file records.json --dry-run
    kcli delete-records --offset-json-file records.json
"""
OFFSET_OUT_OF_RANGE = 1


def check(given: Given) -> None:
    given.need("offset-json-file")


@click.command(
    cls=options.Tool,
    check=check,
    examples=EXAMPLES,
    purpose="This tool helps to delete records of the given partitions down to the specified offset.",
)
@click.option(
    "--offset-json-file",
    metavar="FILE",
    help='What to delete as JSON: {"partitions": [{"topic": "orders", "partition": 0, "offset": 100}]}: the records '
    "before that offset; -1: all that there are.",
)
@click.option("--dry-run", is_flag=True, help="Tell how many records would go, and delete none.")
@options.connection
@options.output
def command(admin: Admin, offset_json_file: str, dry_run: bool) -> Report:
    """Delete the records of partitions before an offset."""
    document = documents.load(
        offset_json_file,
        "delete-records",
        empty="The input string is not a valid JSON",
        lacking={"partitions": "Missing partitions field"},
    )
    offsets = plan.named(document)
    if dry_run:
        return _outlook(admin, offsets)
    lows = admin.delete_records(offsets)
    failed = any(isinstance(low, Refused) for low in lows.values())
    return Report(render.deleted(lows), render.deleted_data(lows, (), dry_run=False), failed=failed)


def _outlook(admin: Admin, offsets: dict[TopicPartition, int]) -> Report:
    starts = admin.list_offsets(dict.fromkeys(offsets, EARLIEST))
    ends = admin.list_offsets(dict.fromkeys(offsets, LATEST))
    failed = {one: no for answers in (starts, ends) for one, no in answers.items() if isinstance(no, Refused)}
    first, last = (
        {one: found.offset for one, found in answers.items() if isinstance(found, Position)}
        for answers in (starts, ends)
    )
    failed |= {
        one: Refused(OFFSET_OUT_OF_RANGE) for one, before in offsets.items() if one not in failed and before > last[one]
    }
    cuts = plan.cuts({one: before for one, before in sorted(offsets.items()) if one not in failed}, first, last)
    return Report(render.outlook(cuts, failed), render.deleted_data(failed, cuts, dry_run=True), failed=bool(failed))
