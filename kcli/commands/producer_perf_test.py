"""kcli producer-perf-test: write records as fast as they go and tell how that went (bin/kafka-producer-perf-test.sh).

Beyond Kafka's tool: topic, record size and throughput have defaults; several topics, keys, headers, sizes that vary;
several processes in one run; --output json. Records that could not be sent make the exit code 1.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from kcli import arguments, options
from kcli.errors import Failure, Setup, Usage
from kcli.options import INT, LONG, Given
from kcli.perf import payloads, processes, progress, results
from kcli.perf.producing import Load, Produced, Run
from kcli.pipeline.names import unknown_to_producers
from kcli.pipeline.settings import ProducerSettings
from kcli.pipeline.stopping import Stopped, on_signals
from kcli.plan.perf import shares
from kcli.properties import Connection
from kcli.render import perf as render
from kcli.report import Report

CLIENT_ID = "perf-producer-client"
TOPIC, RECORD_BYTES, UNLIMITED, INTERVAL_MS = "perf-test", 1000, "-1", 5000
MAX_PRODUCERS, MAX_KEYS, MAX_HEADERS = 64, 1 << 20, 1000
EXAMPLES = """
    kcli producer-perf-test --num-records 5000000
    kcli producer-perf-test --topic first --record-size 100 --num-records 5000000 --command-property acks=1 linger.ms=10
    kcli producer-perf-test --topic first --num-records 100000 --throughput 20000 --warmup-records 20000
    kcli producer-perf-test --topic first --num-records 5000000 --producers 4 --output json > run.json
    kcli producer-perf-test --topic first --num-records 1000 --payload-file payloads.txt --keys 100
"""
PAYLOADS = ("--record-size", "--payload-file", "--payload-monotonic")
PROPERTIES = ("--producer-props", "--command-property")
DEPRECATED = {"producer-props": "command-property", "producer.config": "command-config"}


class Tool(arguments.Tool):
    """An option of properties takes all the words up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _repeated(args))


def _repeated(args: Sequence[str]) -> list[str]:
    """Write `--command-property a=1 b=2` as one option for each word."""
    found: list[str] = []
    name = ""
    for word in args:
        if word.startswith("-"):
            name = word if word.lstrip("-") in ("producer-props", "command-property") else ""
            found.append(word)
        elif name and found[-1] != name:
            found += [name, word]
        else:
            found.append(word)
    return found


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order."""
    if not given.has("num-records"):
        raise Usage("argument --num-records is required")
    for old, new in DEPRECATED.items():
        if given.has(old) and given.has(new):
            raise Usage(f"--{new} and --{old} cannot be specified together.")
    beside = given.values("output")[-1:] not in ([], ["text"])  # a notice is no data
    for old, new in DEPRECATED.items():
        if given.has(old):
            told = f"Option --{old} has been deprecated and will be removed in a future version. Use --{new} instead."
            click.echo(told, err=beside)


def _check_numbers(given: Mapping[str, Any]) -> None:
    if given["num_records"] <= 0:
        raise Usage("--num-records should be greater than zero.")
    if not 0 <= given["warmup_records"] < given["num_records"]:
        raise Usage(
            "The value for --warmup-records must be strictly fewer than the number of records in the test, "
            "--num-records."
        )
    if given["record_size"] is not None and given["record_size"] <= 0:
        raise Usage("--record-size should be greater than zero.")
    if given["transaction_duration_ms"] is not None and given["transaction_duration_ms"] <= 0:
        raise Usage("--transaction-duration-ms should be greater than zero.")
    if given["reporting_interval"] <= 0:
        raise Usage("--reporting-interval should be greater than zero.")
    if given["throughput"] == 0:
        raise Usage("--throughput 0 would send nothing, ever. Use -1 for no limit.")


def _check_own(given: Mapping[str, Any]) -> None:
    """The options that Kafka's tool has not got."""
    most = given["record_size_max"]
    if most is not None and (most < (given["record_size"] or RECORD_BYTES) or _of_payloads(given)):
        raise Usage("--record-size-max goes with --record-size, and is not below it.")
    for name, value in {"record-size": given["record_size"], "record-size-max": most}.items():
        if value is not None and value > payloads.MAX_RECORD_BYTES:
            raise Usage(f"--{name} is above {payloads.MAX_RECORD_BYTES}.")
    limits = {"producers": (1, MAX_PRODUCERS), "keys": (0, MAX_KEYS), "headers": (0, MAX_HEADERS)}
    for name, (low, high) in limits.items():
        if not low <= given[name] <= high:
            raise Usage(f"--{name} is a number from {low} to {high}.")
    if given["producers"] > given["num_records"] - given["warmup_records"]:
        raise Usage("--producers is above the number of records.")


def _of_payloads(given: Mapping[str, Any]) -> bool:
    return given["payload_file"] is not None or bool(given["payload_monotonic"])


def _throughput(text: str) -> float:
    """Java's numbers: 1000, 0.5, 1e3."""
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        raise ValueError(text)
    return float(text)


@click.command(cls=Tool, check=check, examples=EXAMPLES, exclusive=(PAYLOADS,))
@click.option("--bootstrap-server", metavar="HOST:PORT,...", help=options.BOOTSTRAP_HELP)
@click.option(
    "--topic",
    metavar="TOPIC",
    default=TOPIC,
    shell_complete=options.topic_names,
    help=f"The topic to write to, or several with commas. It has to be there. Default: {TOPIC}.",
)
@click.option("--num-records", type=LONG, metavar="N", help="How many records to write.")
@click.option(
    "--throughput",
    type=_throughput,
    metavar="N",
    default=UNLIMITED,
    help="Records a second, at most; -1: as many as go. Default: -1.",
)
@click.option(
    "--record-size",
    type=INT,
    metavar="BYTES",
    help=f"The size of the values: slices, at random places, of one pool of random letters. Default: {RECORD_BYTES}.",
)
@click.option("--record-size-max", type=INT, metavar="BYTES", help="Let sizes vary from --record-size to this.")
@click.option("--payload-file", metavar="FILE", help="Draw the values from the pieces of this file.")
@click.option("--payload-delimiter", metavar="REGEX", default="\\n", help="What parts them. Default: a line feed.")
@click.option("--payload-monotonic", is_flag=True, help="The values are rising numbers.")
@click.option("--keys", type=INT, metavar="N", default=0, help="Give records one of so many keys. Default: none.")
@click.option("--headers", type=INT, metavar="N", default=0, help="Give records so many headers. Default: none.")
@click.option("--header-size", type=INT, metavar="BYTES", default=16, help="The size of their values. Default: 16.")
@click.option("--producers", type=INT, metavar="N", default=1, help="Write from so many processes. Default: 1.")
@click.option("--command-property", multiple=True, metavar="K=V ...", help="Producer settings: one or more words.")
@click.option("--command-config", metavar="FILE", help="A file of producer settings (security.protocol=... and so on).")
@click.option("--producer-props", multiple=True, metavar="K=V ...", help="Deprecated: --command-property.")
@click.option("--producer.config", "producer_config", metavar="FILE", help="Deprecated: --command-config.")
@click.option("--print-metrics", is_flag=True, help="Print what the producer counted, under Kafka's names.")
@click.option("--transactional-id", metavar="ID", help="Write in transactions: not supported yet.")
@click.option("--transaction-duration-ms", type=LONG, metavar="MS", help="How long each lasts: not supported yet.")
@click.option("--warmup-records", type=LONG, metavar="N", default=0, help="Sum up without the first N once more.")
@click.option(
    "--reporting-interval",
    type=LONG,
    metavar="MS",
    default=INTERVAL_MS,
    help="When to tell how it goes. Default: 5000.",
)
@options.output
def command(print_metrics: bool, **given: Any) -> Report:
    """Write records as fast as they go, or at a pace, and tell rates and latencies."""
    _check_numbers(given)
    _check_own(given)
    if given["transactional_id"] is not None or given["transaction_duration_ms"] is not None:
        raise Setup("Transactions are not supported yet", "Leave out --transactional-id and --transaction-duration-ms.")
    connection = _connection(given)
    settings = ProducerSettings.of(connection.settings)
    for name in unknown_to_producers(connection.settings):
        click.echo(f"The producer does not know the setting '{name}'; it is ignored", err=True)
    loads = _loads(given, settings)
    if given["warmup_records"] > 0:
        text = f"Warmup first {given['warmup_records']} records. Steady state results will print after the complete"
        options.notice(f"{text} test summary.")
    bar = progress.Bar(given["num_records"], options.notice)
    with on_signals():
        run = _run(loads, connection, settings, bar)
    bar.clear()
    return _report(run, given, connection, print_metrics)


def _connection(given: Mapping[str, Any]) -> Connection:
    typed = (*given["command_property"], *given["producer_props"])
    for text in typed:
        if "=" not in text:
            raise Setup(f"Invalid property: {text}", "Write it as NAME=VALUE.")
    config = given["command_config"] or given["producer_config"]
    made = options.connect_to(given["bootstrap_server"], config, typed)
    return made._replace(settings={"client.id": CLIENT_ID} | dict(made.settings))


def _loads(given: Mapping[str, Any], settings: ProducerSettings) -> list[Load]:
    """What each producer is to send. Raises Failure."""
    total, among = given["num_records"], given["producers"]
    if given["payload_file"] is not None:
        options.notice(f"Reading payloads from: {os.path.abspath(given['payload_file'])}")
        try:
            chosen, count = payloads.lines(given["payload_file"], given["payload_delimiter"])
        except re.error as error:
            raise Setup(f"--payload-delimiter is not a regular expression: {error}") from error
        options.notice(f"Number of records read: {count}")
    elif given["payload_monotonic"]:
        chosen = payloads.numbers(total)
    else:
        size = given["record_size"] or RECORD_BYTES
        chosen = payloads.letters(size, given["record_size_max"] or 0, wide=settings.codec != 0)
    topics = [name for name in (part.strip() for part in given["topic"].split(",")) if name]
    if not topics:
        raise Usage("--topic names no topic.")
    load = Load(
        topics,
        total,
        chosen,
        given["throughput"] / among if given["throughput"] > 0 else -1.0,
        0,
        given["reporting_interval"],
        [b"key-%07d" % number for number in range(given["keys"])],
        [(f"header-{number}", b"h" * max(given["header_size"], 0)) for number in range(given["headers"])],
    )
    parts = zip(shares(total, among), shares(given["warmup_records"], among), strict=True)
    loads, start = [], 0
    for records, warmup in parts:
        own = payloads.numbers(records, start) if given["payload_monotonic"] else chosen
        loads.append(load._replace(records=records, warmup=warmup, payloads=own))
        start += records
    return loads


def _run(loads: list[Load], connection: Connection, settings: ProducerSettings, bar: progress.Bar) -> Produced:
    if len(loads) > 1:
        return processes.produce(loads, connection, settings, told=bar.window, notice=bar.warn)
    return Run(loads[0], connection, settings, told=bar.window, notice=bar.warn, moved=bar.moved).all()


def _report(run: Produced, given: Mapping[str, Any], connection: Connection, print_metrics: bool) -> Report:
    lines = [render.total(run.stats.latencies, run.stats.bytes, run.elapsed_ms)]
    if run.steady:
        lines.append(render.total(run.steady.latencies, run.steady.bytes, run.steady_elapsed_ms, steady=True))
    if run.due is not None and run.due.records:
        lines.append(render.corrected(run.due, given["throughput"]))
    text = "".join(f"{line}\n" for line in lines)
    if print_metrics:
        text += render.metrics(results.metrics(run, connection.settings["client.id"]))
    failures = list[str]()
    if isinstance(run.stopped, Failure):
        failures += filter(None, (run.stopped.message, run.stopped.advice))
    missing = given["num_records"] - run.stats.latencies.records
    if run.failed or run.stopped:
        failures.append(f"{missing} of {given['num_records']} records were not sent.")
    told = {name: value for name, value in given.items() if value not in (None, (), False)}
    told["topics"] = told.pop("topic").split(",")
    for name in ("command_property", "producer_props", "command_config", "producer_config"):
        told.pop(name, None)
    data = results.produced(run, told, connection.settings)
    code = run.stopped.exit_code if isinstance(run.stopped, Stopped) else 0
    return Report(text, data, tuple(failures), exit_code=code)
