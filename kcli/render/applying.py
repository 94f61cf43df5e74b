"""Plans before and while they are carried out, in words and columns, and for --output json."""

from collections.abc import Iterable, Mapping, Sequence

from kcli.model.layout import Preview
from kcli.model.moves import Progress, TopicPartition

WIDTH = 30
SHOWN = 10  # partitions that a line names
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
COLUMNS = ("BROKER", "RACK", "REPLICAS", "LEADERS", "SIZE", "INCOMING", "FREE")
DRY = (
    "Nothing has been changed: this was a dry run. --plan-file FILE keeps the plan for 'kcli reassign apply FILE'; "
    "--execute carries it out."
)
NOTHING = "Nothing has to move.\n"


def size(count: int) -> str:
    """Bytes as people read them, in powers of 1000."""
    unit, value = 0, float(count)
    while abs(value) >= 999.95 and unit + 1 < len(UNITS):
        value /= 1000
        unit += 1
    return f"{count} {UNITS[0]}" if not unit else f"{value:.1f} {UNITS[unit]}"


def lasting(seconds: int) -> str:
    """A time as people read it: 45 s, 3 min 5 s, 2 h 10 min."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def named(keys: Sequence[TopicPartition]) -> str:
    """Partitions, the first of them by name."""
    told = ", ".join(f"{topic}-{partition}" for topic, partition in keys[:SHOWN])
    return f"{told} and {len(keys) - SHOWN} more" if len(keys) > SHOWN else told


def preview(what: str, told: Preview, throttle: int | None) -> str:
    """The table that comes before anything happens. what: what the plan is for."""
    if not told.partitions:
        return f"{what}: {NOTHING}"
    head = f"{what}: {count(told.partitions, 'partition')} to change, {count(told.replicas, 'new replica')}, "
    head += f"{size(told.size)} to copy"
    if told.seconds is not None and throttle is not None:
        head += f", at least {lasting(told.seconds)} at {size(throttle)}/s"
    lines = [f"{head}.", "", *_table(told)]
    if told.warnings:
        lines += ["", *(f"Warning: {warning}" for warning in told.warnings)]
    return "".join(f"{line}\n" for line in lines)


def _table(told: Preview) -> list[str]:
    rows = [
        (
            str(row.broker),
            row.rack or "-",
            _change(row.before.replicas, row.after.replicas),
            _change(row.before.leaders, row.after.leaders),
            _change(size(row.before.size), size(row.after.size)),
            size(row.incoming) if row.incoming else "-",
            "?" if row.free is None else size(row.free),
        )
        for row in told.brokers
    ]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    return [
        "  ".join(f"{word:{width}}" for word, width in zip(row, widths, strict=True)).rstrip()
        for row in (COLUMNS, *rows)
    ]


def _change(before: object, after: object) -> str:
    return str(before) if before == after else f"{before} -> {after}"


def preview_data(told: Preview) -> dict[str, object]:
    return {
        "partitions": told.partitions,
        "replicas": told.replicas,
        "bytes": told.size,
        "seconds": told.seconds,
        "warnings": list(told.warnings),
        "brokers": [
            {
                "broker": row.broker,
                "rack": row.rack,
                "before": {"replicas": row.before.replicas, "leaders": row.before.leaders, "bytes": row.before.size},
                "after": {"replicas": row.after.replicas, "leaders": row.after.leaders, "bytes": row.after.size},
                "incoming": row.incoming,
                "free": row.free,
            }
            for row in told.brokers
        ],
    }


def astride(rows: Iterable[tuple[TopicPartition, tuple[int, ...], tuple[int, ...]]]) -> str:
    lines = [f"{key[0]}-{key[1]} is on its way to {_ids(going)}, not to {_ids(wanted)}" for key, wanted, going in rows]
    return "\n".join(["Another reassignment crosses this plan", *lines])


def begun(keys: Sequence[TopicPartition], left: int) -> str:
    after = f"; {left} to go after that" if left else ""
    return f"Moving {named(keys)}{after}."


def taken_up(done: int, keys: Sequence[TopicPartition]) -> list[str]:
    """What is found when a plan is taken up again."""
    lines = [f"{count(done, 'partition')} of the plan {'is' if done == 1 else 'are'} in place already."] if done else []
    return lines + ([f"Waiting for {named(keys)}, under way already."] if keys else [])


def progress(told: Progress) -> str:
    share = f" ({100 * told.copied // told.total}%)" if told.total else ""
    rate = f", {size(told.rate)}/s" if told.rate is not None else ""
    left = f", {lasting(told.seconds)} left" if told.seconds else ""
    return (
        f"{told.partitions} of {count(told.of_partitions, 'partition')}, "
        f"{size(told.copied)} of {size(told.total)} copied{share}{rate}{left}"
    )


def bar(told: Progress) -> str:
    done, whole = (told.copied, told.total) if told.total else (told.partitions, told.of_partitions)
    full = WIDTH * done // max(whole, 1)
    return f"[{'#' * full:.<{WIDTH}}] {progress(told)}"


def trouble(keys: Sequence[TopicPartition], cancelled: Sequence[TopicPartition]) -> list[str]:
    """Why it stopped by itself, and what became of what was under way."""
    gone = f"Cancelled what was under way: {named(cancelled)}." if cancelled else "Nothing was under way."
    return [f"Stopped: under-replicated outside the plan: {named(keys)}.", gone]


def interrupted(keys: Sequence[TopicPartition], *, throttled: bool) -> list[str]:
    if not keys:
        return ["Interrupted. Nothing of the plan is under way."]
    how = ", now without a throttle" if throttled else ""
    return [f"Interrupted. Still under way{how}: {named(keys)}."]


def go_on(what: str) -> str:
    return f"Go on with '{what}', go back with 'kcli reassign rollback'."


def failed(reasons: Mapping[TopicPartition, str]) -> tuple[str, ...]:
    return tuple(f"{topic}-{partition}: {reasons[topic, partition]}" for topic, partition in sorted(reasons))


def applied(partitions: int, elected: int, cleared: bool) -> str:
    verb, them = ("is", "it") if partitions == 1 else ("are", "them")
    lines = [f"{count(partitions, 'partition')} {verb} where the plan wants {them}."]
    if elected:
        lines.append(f"The preferred replica leads {count(elected, 'more partition')}.")
    if cleared:
        lines.append("No throttle is left.")
    return "".join(f"{line}\n" for line in lines)


def _ids(brokers: Iterable[int]) -> str:
    return ",".join(map(str, brokers))
