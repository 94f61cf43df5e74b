"""kcli perf: beyond Kafka's performance tools: compare runs, plot one, sweep settings, write and read at once."""

import click

from kcli import options
from kcli.commands.perf import files, runs

EXAMPLES = """
    kcli producer-perf-test --num-records 5000000 --output json > run1.json
    kcli perf compare run1.json run2.json
    kcli perf plot run1.json
    kcli perf sweep --topic first --num-records 200000 --batch-sizes 16384,131072 --acks 1,all --compressions none,lz4
    kcli perf mixed --topic first --num-records 100000 --throughput 20000
"""


@click.group(cls=options.Tools, examples=EXAMPLES)
def command() -> None:
    """Compare measured runs, plot one, sweep settings, write and read at once."""


for _one in (files.compare, files.plot, runs.sweep, runs.mixed):
    command.add_command(_one)
