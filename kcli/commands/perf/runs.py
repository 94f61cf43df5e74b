"""kcli perf sweep, kcli perf mixed: runs that Kafka has no tool for."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import click

from kcli import options
from kcli.errors import Failure, Setup, Usage
from kcli.options import INT, LONG
from kcli.perf import mixing, payloads, results
from kcli.perf.producing import Load, Run
from kcli.pipeline.compression import CODECS
from kcli.pipeline.settings import FetchSettings, ProducerSettings
from kcli.pipeline.stopping import Stopped, on_signals
from kcli.properties import Connection
from kcli.render import perf as render
from kcli.render import perf_tables as tables
from kcli.report import Report

CLIENT_ID = "perf-producer-client"
RECORDS, RECORD_BYTES, INTERVAL_MS = 200_000, 1000, 5000
MAX_RUNS = 200


def _warn(text: str) -> None:
    click.echo(text, err=True)


def _list(text: str, option: str, known: tuple[str, ...] = ()) -> list[str]:
    found = [part for part in (part.strip() for part in text.split(",")) if part]
    wrong = [part for part in found if known and part not in known]
    if not found or wrong:
        raise Usage(f"--{option}: '{wrong[0] if wrong else text}' is none of {', '.join(known) or 'what it takes'}.")
    return found


def _sizes(text: str) -> list[int]:
    found = _list(text, "batch-sizes")
    for part in found:
        if not part.isascii() or not part.isdigit() or not 0 < int(part) < 1 << 31:
            raise Usage(f"--batch-sizes: '{part}' is no number of bytes.")
    return [int(part) for part in found]


def _positive(given: Mapping[str, int]) -> None:
    for name, value in given.items():
        if value <= 0:
            raise Usage(f"--{name} should be greater than zero.")


@click.command(
    cls=options.Tool,
    examples="kcli perf sweep --topic first --batch-sizes 16384,900000 --acks 1,all --compressions none,zstd",
)
@click.option("--topic", required=True, metavar="TOPIC", shell_complete=options.topic_names, help="The topic.")
@click.option("--num-records", type=LONG, default=RECORDS, metavar="N", help=f"Of each run. Default: {RECORDS}.")
@click.option("--record-size", type=INT, default=RECORD_BYTES, metavar="BYTES", help=f"Default: {RECORD_BYTES}.")
@click.option("--batch-sizes", default="16384,131072,900000", metavar="N,...", help="Default: 16384,131072,900000.")
@click.option("--acks", default="1,all", metavar="ACKS,...", help="Default: 1,all.")
@click.option("--compressions", default="none", metavar="CODEC,...", help=f"Of {', '.join(CODECS)}. Default: none.")
@options.endpoint
@options.output
def sweep(connection: Connection, topic: str, num_records: int, record_size: int, **given: Any) -> Report:
    """Write with every combination of batch size, acks and compression; a table at the end."""
    _positive({"num-records": num_records, "record-size": record_size})
    combinations = list(
        product(
            _list(given["compressions"], "compressions", CODECS),
            _list(given["acks"], "acks", ("0", "1", "all", "-1")),
            _sizes(given["batch_sizes"]),
        )
    )
    if len(combinations) > MAX_RUNS:
        raise Usage(f"These are {len(combinations)} runs; the most is {MAX_RUNS}.")
    rows, failures = list[dict[str, Any]](), list[str]()
    stopped: BaseException | None = None
    with on_signals():
        for number, (codec, acks, size) in enumerate(combinations, 1):
            options.notice(f"{number} of {len(combinations)}: {codec}, acks {acks}, batch.size {size}")
            texts = {"client.id": CLIENT_ID} | dict(connection.settings)
            texts |= {"compression.type": codec, "acks": acks, "batch.size": str(size)}
            settings = ProducerSettings.of(texts)
            letters = payloads.letters(record_size, wide=settings.codec != 0)
            load = Load([topic], num_records, letters, interval_ms=INTERVAL_MS)
            run = Run(
                load, connection._replace(settings=texts), settings, told=lambda window, first: None, notice=_warn
            )
            done = run.all()
            rows.append(
                {
                    "compression": codec,
                    "acks": acks,
                    "batch_size": size,
                    **results.rates(done.stats.latencies.records, done.stats.bytes, done.elapsed_ms),
                    "latency_ms": results.latency(done.stats.latencies),
                    "failed": done.failed,
                }
            )
            stopped = done.stopped
            if isinstance(stopped, Failure):
                failures.append(stopped.message)
            if stopped:
                break
    data = {
        **results.about(),
        "run": {"topic": topic, "num_records": num_records, "record_size": record_size},
        "runs": rows,
    }
    code = stopped.exit_code if isinstance(stopped, Stopped) else 0
    failed = any(row["failed"] for row in rows)
    return Report(tables.sweep(rows), data, tuple(failures), failed=failed, exit_code=code)


@click.command(cls=options.Tool, examples="kcli perf mixed --topic first --num-records 100000 --throughput 20000")
@click.option("--topic", required=True, metavar="TOPIC", shell_complete=options.topic_names, help="The topic.")
@click.option("--num-records", type=LONG, default=RECORDS, metavar="N", help=f"Default: {RECORDS}.")
@click.option("--record-size", type=INT, default=RECORD_BYTES, metavar="BYTES", help=f"Default: {RECORD_BYTES}.")
@click.option("--throughput", type=float, default=10_000.0, metavar="N", help="Records a second. Default: 10000.")
@click.option("--reporting-interval", type=LONG, default=INTERVAL_MS, metavar="MS", help="Default: 5000.")
@options.endpoint
@options.output
def mixed(
    connection: Connection, topic: str, num_records: int, record_size: int, throughput: float, reporting_interval: int
) -> Report:
    """Write and read at once, and tell how long records take from end to end."""
    _positive({"num-records": num_records, "record-size": record_size, "reporting-interval": reporting_interval})
    if not throughput or throughput != throughput:
        raise Usage("--throughput is a number of records a second, -1 for no limit.")
    if record_size < mixing.STAMP.size:
        raise Setup(f"--record-size is {mixing.STAMP.size} at least: a value begins with the moment of its sending")
    texts = {"client.id": CLIENT_ID} | dict(connection.settings)
    told: Callable[[Any], None] = lambda window: options.notice(render.window(window))  # noqa: E731
    with on_signals():
        run = mixing.Run(
            topic,
            record_size,
            connection._replace(settings=texts),
            ProducerSettings.of(texts),
            FetchSettings.of(texts),
            interval_ms=reporting_interval,
            told=told,
            notice=_warn,
        )
        done = run.all(num_records, throughput)
    stats = done.written
    text = f"{render.total(stats.latencies, stats.bytes, done.elapsed_ms)}\n{render.end_to_end(done.read)}\n"
    failures = list[str]()
    if isinstance(done.stopped, Failure):
        failures.append(done.stopped.message)
    if done.read.records < num_records:
        failures.append(f"{num_records - done.read.records} of {num_records} records did not come back.")
    data = {
        **results.about(),
        "run": {"topic": topic, "num_records": num_records, "record_size": record_size, "throughput": throughput},
        **results.rates(stats.latencies.records, stats.bytes, done.elapsed_ms),
        "failed": done.failed,
        "foreign": done.foreign,
        "latency_ms": results.latency(stats.latencies),
        "end_to_end_ms": results.latency(done.read),
        "series": results.series(stats.windows),
        "histogram": results.histogram(done.read),
    }
    code = done.stopped.exit_code if isinstance(done.stopped, Stopped) else 0
    return Report(text, data, tuple(failures), exit_code=code)
