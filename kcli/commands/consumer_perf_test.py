"""kcli consumer-perf-test: read records as fast as they come and tell how that went (bin/kafka-consumer-perf-test.sh).

Without --group partitions are read directly: no group is made. Unlike Kafka's tool it checks the CRC of every batch,
and a run that comes to fewer records than were asked for ends with exit code 1.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import click

from kcli import options
from kcli.errors import Failure, Setup, Usage
from kcli.options import INT, LONG, Given
from kcli.perf import consuming, progress, results
from kcli.pipeline.names import unknown_to_consumers
from kcli.pipeline.settings import FetchSettings, GroupSettings
from kcli.pipeline.stopping import Stopped, on_signals
from kcli.pipeline.subscription import Wanted
from kcli.properties import Connection
from kcli.render import perf as render
from kcli.render.dates import Moment, formatted
from kcli.report import Report

CLIENT_ID = "perf-consumer-client"
FETCH_BYTES, TIMEOUT_MS, INTERVAL_MS = 1 << 20, 10_000, 5000
DATE_FORMAT = "yyyy-MM-dd HH:mm:ss:SSS"
EXAMPLES = """
    kcli consumer-perf-test --topic first --num-records 5000000
    kcli consumer-perf-test --topic first --num-records 5000000 --show-detailed-stats --reporting-interval 1000
    kcli consumer-perf-test --include 'orders-.*' --num-records 100000 --timeout 3000
    kcli consumer-perf-test --topic first --num-records 5000000 --output json > run.json
"""
PURPOSE = "This tool is used to verify the consumer performance."


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order."""
    beside = given.values("output")[-1:] not in ([], ["text"])  # a notice is no data
    if given.has("messages") == given.has("num-records"):
        raise Usage("Exactly one of the following arguments is required: [messages], [num-records]")
    if given.has("topic") == given.has("include"):
        raise Usage("Exactly one of the following arguments is required: [topic], [include]")
    given.forbid("consumer.config", "command-config")
    if given.has("messages"):
        click.echo("Warning: --messages is deprecated. Use --num-records instead.", err=beside)
    if given.has("consumer.config"):
        click.echo("Warning: --consumer.config is deprecated. Use --command-config instead.", err=beside)


@click.command(cls=options.Tool, check=check, examples=EXAMPLES, purpose=PURPOSE)
@click.option("--bootstrap-server", metavar="HOST:PORT,...", help=options.BOOTSTRAP_HELP)
@click.option("--topic", metavar="TOPIC", shell_complete=options.topic_names, help="The topic to read.")
@click.option("--include", metavar="REGEX", help="Read all topics with names that match.")
@click.option("--num-records", type=LONG, metavar="N", help="How many records to read.")
@click.option("--messages", type=LONG, metavar="N", help="Deprecated: --num-records.")
@click.option("--group", metavar="ID", help="Read as a member of this group, and commit. Default: no group.")
@click.option("--fetch-size", type=INT, metavar="BYTES", help="What a fetch takes of one partition. Default: 1048576.")
@click.option("--from-latest", is_flag=True, help="Begin at the end of the log, not at its beginning.")
@click.option("--socket-buffer-size", type=INT, metavar="BYTES", help="Accepted; the system chooses a better one.")
@click.option("--command-property", multiple=True, metavar="KEY=VALUE", help="One consumer setting; repeatable.")
@click.option("--command-config", metavar="FILE", help="A file of consumer settings (security.protocol=... and so on).")
@click.option("--consumer.config", "consumer_config", metavar="FILE", help="Deprecated: --command-config.")
@click.option("--print-metrics", is_flag=True, help="Print what the consumer counted, under Kafka's names.")
@click.option("--show-detailed-stats", is_flag=True, help="A row for each interval in place of the one at the end.")
@click.option("--reporting-interval", type=LONG, metavar="MS", default=INTERVAL_MS, help="The interval. Default: 5000.")
@click.option("--hide-header", is_flag=True, help="Leave out the names of the columns.")
@click.option(
    "--date-format", metavar="PATTERN", default=DATE_FORMAT, help=f"As Java's SimpleDateFormat. Default: {DATE_FORMAT}."
)
@click.option(
    "--timeout",
    cls=options.OptionalValue,
    bare=str(TIMEOUT_MS),
    type=LONG,
    metavar="[MS]",
    default=TIMEOUT_MS,
    help="The longest wait between records. Default: 10000.",
)
@options.output
def command(show_detailed_stats: bool, hide_header: bool, print_metrics: bool, **given: Any) -> Report:
    """Read records as fast as they come, and tell the rates."""
    records = given["num_records"] if given["num_records"] is not None else given["messages"]
    _check_numbers(given, records)
    connection = _connection(given)
    settings = FetchSettings.of(connection.settings)
    _written(datetime.now().astimezone(), given["date_format"])  # a wrong one is told before the run
    for name in unknown_to_consumers(connection.settings):
        click.echo(f"The consumer does not know the setting '{name}'; it is ignored", err=True)
    text = click.get_current_context().params.get("output", "text") == "text"
    if text and not hide_header:
        click.echo(render.DETAILED_HEADER if show_detailed_stats else render.HEADER)
    bar = progress.Bar(records, options.notice)

    def told(window: Any, count: int, size: int, joined_ms: int) -> None:
        if show_detailed_stats and text:
            bar.clear()
            now = _written(datetime.now().astimezone(), given["date_format"])
            click.echo(f"{now}, {render.consumed_since(size, count, window, joined_ms)}")

    wanted = Wanted(given["topic"], _expression(given["include"]))
    group = None if given["group"] is None else GroupSettings.of(connection.settings, given["group"])
    task = consuming.Task(wanted, records, given["timeout"], given["reporting_interval"], given["from_latest"], group)
    with on_signals():
        run = consuming.Run(task, connection, settings, told=told, notice=bar.warn, moved=bar.moved)
        done = run.all()
    bar.clear()
    return _report(done, records, given, connection, metrics=print_metrics, row=not show_detailed_stats)


def _check_numbers(given: Mapping[str, Any], records: int) -> None:
    if records <= 0:
        raise Usage("--num-records should be greater than zero.")
    if given["reporting_interval"] <= 0:
        raise Usage("Reporting interval must be greater than 0.")
    if given["timeout"] < 0:
        raise Usage("--timeout is a number of milliseconds, 0 at least.")
    if given["fetch_size"] is not None and given["fetch_size"] <= 0:
        raise Usage("--fetch-size should be greater than zero.")


def _connection(given: Mapping[str, Any]) -> Connection:
    config = given["command_config"] or given["consumer_config"]
    made = options.connect_to(given["bootstrap_server"], config, given["command_property"])
    texts = {"client.id": CLIENT_ID} | dict(made.settings)
    texts["auto.offset.reset"] = "latest" if given["from_latest"] else "earliest"
    texts["max.partition.fetch.bytes"] = str(
        given["fetch_size"] if given["fetch_size"] is not None else texts.get("max.partition.fetch.bytes", FETCH_BYTES)
    )
    return made._replace(settings=texts)


def _expression(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise Setup(f"--include: '{text}' is not a regular expression: {error}") from error


def _written(now: datetime, pattern: str) -> str:
    """A moment in this zone. Raises Setup: no such pattern."""
    offset = now.utcoffset()
    moment = Moment(
        now.year,
        now.month,
        now.day,
        now.hour,
        now.minute,
        now.second,
        now.microsecond // 1000,
        now.weekday(),
        now.timetuple().tm_yday,
        now.tzname() or "",
        int(offset.total_seconds() // 60) if offset else 0,
    )
    return formatted(moment, pattern)


def _report(
    run: consuming.Consumed,
    wanted: int,
    given: Mapping[str, Any],
    connection: Connection,
    *,
    metrics: bool,
    row: bool,
) -> Report:
    text = ""
    if run.late:
        text += (
            "WARNING: Exiting before consuming the expected number of records: timeout "
            f"({given['timeout']} ms) exceeded. You can use the --timeout option to increase the timeout.\n"
        )
    if row:
        columns = render.consumed(run.bytes, run.records, int(run.elapsed_ms), int(run.joined_ms))
        ended = datetime.now().astimezone()
        began = ended - timedelta(milliseconds=run.elapsed_ms)
        text += f"{_written(began, given['date_format'])}, {_written(ended, given['date_format'])}, {columns}\n"
    if metrics:
        text += render.metrics(consuming.metrics(run, connection.settings["client.id"]))
    failures = list[str]()
    if isinstance(run.stopped, Failure):
        failures += filter(None, (run.stopped.message, run.stopped.advice))
    told = {
        "topic": given["topic"],
        "include": given["include"],
        "num_records": wanted,
        "timeout_ms": given["timeout"],
        "from_latest": given["from_latest"],
    }
    data = results.consumed(run, told, connection.settings)
    code = run.stopped.exit_code if isinstance(run.stopped, Stopped) else 0
    return Report(text, data, tuple(failures), failed=run.records < wanted, exit_code=code)
