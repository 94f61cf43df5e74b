"""What kcli lag prints: a line a group, or a line a partition; the worst first."""

from collections.abc import Sequence

from kcli.model.groups import GroupLag

MISSING = "-"
GAP = "  "
UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))
LEFT = frozenset({"GROUP", "STATE", "TOPIC"})


def groups(found: Sequence[GroupLag]) -> str:
    rows = [("GROUP", "STATE", "MEMBERS", "LAG", "BEHIND", "IN/S", "OUT/S", "CATCH-UP")]
    for one in found:
        seconds = None if one.lag_ms is None else one.lag_ms / 1000
        known = one.rate_in is not None
        catch_up = "never" if known and one.catch_up_s is None else span(one.catch_up_s)
        rates = (rate(one.rate_in), rate(one.rate_out))
        rows.append((one.group, one.state, str(one.members), str(one.lag), span(seconds), *rates, catch_up))
    return _table(rows)


def partitions(found: Sequence[GroupLag]) -> str:
    rows = [("GROUP", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "BEHIND")]
    rows += [
        (
            one.group,
            row.topic,
            str(row.partition),
            str(row.committed),
            MISSING if row.end is None else str(row.end),
            str(row.lag),
            span(None if row.lag_ms is None else row.lag_ms / 1000),
        )
        for one in found
        for row in sorted(one.partitions, key=lambda row: (-(row.lag_ms or 0), -row.lag))
    ]
    return _table(rows)


def span(seconds: float | None) -> str:
    """Seconds for people: 0.2 s, 42 s, 3m 20s, 5h 1m, 2d 4h."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{seconds:.0f} s"
    whole = int(seconds)
    for at, (size, unit) in enumerate(UNITS):
        if whole >= size:
            below, name = UNITS[at + 1] if at + 1 < len(UNITS) else (1, "s")
            return f"{whole // size}{unit} {whole % size // below}{name}"
    raise AssertionError("a minute is the smallest unit here")


def rate(records: float | None) -> str:
    return MISSING if records is None else f"{records:.1f}" if abs(records) < 100 else f"{records:.0f}"


def data(found: Sequence[GroupLag], exceeded: Sequence[str]) -> dict[str, object]:
    """For --output json, under schemas/output/lag.schema.json."""
    return {
        "groups": [
            {
                "group": one.group,
                "state": one.state,
                "members": one.members,
                "lag": one.lag,
                "lagSeconds": None if one.lag_ms is None else one.lag_ms / 1000,
                "recordsInPerSecond": one.rate_in,
                "recordsOutPerSecond": one.rate_out,
                "catchUpSeconds": one.catch_up_s,
                "partitions": [
                    {
                        "topic": row.topic,
                        "partition": row.partition,
                        "committedOffset": row.committed,
                        "logEndOffset": row.end,
                        "lag": row.lag,
                        "lagSeconds": None if row.lag_ms is None else row.lag_ms / 1000,
                    }
                    for row in one.partitions
                ],
            }
            for one in found
        ],
        "exceeded": list(exceeded),
    }


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        GAP.join(
            cell.ljust(width) if heading in LEFT else cell.rjust(width)
            for cell, width, heading in zip(row, widths, rows[0], strict=True)
        ).rstrip()
        for row in rows
    ]
    return "".join(f"{line}\n" for line in lines)
