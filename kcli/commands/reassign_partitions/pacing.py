"""The options of what carries out a plan in batches: apply, rollback, and the planners with --execute."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from kcli.commands.reassign_partitions import frame
from kcli.commands.reassign_partitions.carrying import Manner
from kcli.plan.applying import BATCH_SIZE, Pace

ABORT = ("under-replicated", "none")
INTERVAL_MS = 1000
OPTIONS = (
    click.option("--throttle", default="-1", metavar="BYTES/S", help="Copy at most so much: 5000000, 50MB, 1GiB/s."),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        default=BATCH_SIZE,
        metavar="N",
        help=f"Move so many partitions at a time. Default: {BATCH_SIZE}.",
    ),
    click.option(
        "--max-moving-bytes",
        metavar="BYTES",
        help="Move no more than this at a time: 500MB, 10GiB. A partition that alone is more goes alone.",
    ),
    click.option("--watch", is_flag=True, help="Tell how far it is, at each look: bytes copied, rate, time left."),
    click.option(
        "--abort-on",
        type=click.Choice(ABORT),
        default=ABORT[0],
        help="Stop, and cancel what is under way, when partitions outside the plan become under-replicated; or go on. "
        f"Default: {ABORT[0]}.",
    ),
    click.option(
        "--interval",
        type=click.IntRange(1),
        default=INTERVAL_MS,
        metavar="MS",
        help=f"Look at the cluster so often. Default: {INTERVAL_MS}.",
    ),
    click.option("--no-elections", is_flag=True, help="Do not elect the preferred leaders that the plan changes."),
    click.option("--force", is_flag=True, help="Go on with a plan that is for another cluster, or stale."),
)


def paced(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the body gets a Manner as `manner`."""

    @wraps(body)
    def framed(**given: Any) -> Any:
        most = given.pop("max_moving_bytes")
        pace = Pace(
            given.pop("batch_size"),
            None if most is None else frame.rate("max-moving-bytes", most),
            given.pop("abort_on") == ABORT[0],
        )
        throttle = frame.rate("throttle", given.pop("throttle"))
        watch, interval_ms = given.pop("watch"), given.pop("interval")
        manner = Manner(pace, throttle, watch, not given.pop("no_elections"), interval_ms, given.pop("force"))
        return body(manner=manner, **given)

    decorated: Callable[..., Any] = framed
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated
