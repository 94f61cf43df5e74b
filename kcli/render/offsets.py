"""The words of kafka-get-offsets.sh and kafka-delete-records.sh, and of what kcli tells beyond them."""

from collections.abc import Mapping, Sequence

from kcli.errors import Refused, exception_class
from kcli.model.moves import TopicPartition
from kcli.model.offsets import Cut, Position
from kcli.render.java import partition_order

Lows = Mapping[TopicPartition, int | Refused]


def offsets(rows: Sequence[tuple[TopicPartition, Position]]) -> str:
    return "".join(f"{topic}:{index}:{found.offset}\n" for (topic, index), found in rows)


def skipped(one: TopicPartition, refused: Refused) -> str:
    return f"Skip getting offsets for topic-partition {one[0]}-{one[1]} due to error: {thrown(refused)}"


def offsets_data(
    rows: Sequence[tuple[TopicPartition, Position]], failed: Mapping[TopicPartition, Refused]
) -> dict[str, object]:
    """For --output json."""
    return {
        "offsets": [
            {**_row(one), "offset": found.offset, "timestampMs": None if found.timestamp_ms < 0 else found.timestamp_ms}
            for one, found in rows
        ],
        "failed": _failed(failed),
    }


def deleted(lows: Lows) -> str:
    """Kafka's lines on records that were deleted."""
    lines = ["Executing records delete operation", "Records delete operation completed:"]
    for one in partition_order(lows):
        low = lows[one]
        told = f"error: {thrown(low)}" if isinstance(low, Refused) else f"low_watermark: {low}"
        lines.append(f"partition: {one[0]}-{one[1]}\t{told}")
    return "".join(f"{line}\n" for line in lines)


def outlook(cuts: Sequence[Cut], failed: Mapping[TopicPartition, Refused]) -> str:
    """What a dry run of delete-records tells."""
    lines = [
        f"partition: {one[0]}-{one[1]}\tlow_watermark: {start} -> {until}\twould delete {until - start} record(s) "
        f"and keep {end - until}"
        for one, start, until, end in cuts
    ]
    lines += [f"partition: {one[0]}-{one[1]}\terror: {thrown(failed[one])}" for one in sorted(failed)]
    total = sum(cut.until - cut.start for cut in cuts)
    lines.append(f"{total} record(s) of {len(cuts)} partition(s) would be deleted; nothing was changed.")
    return "".join(f"{line}\n" for line in lines)


def deleted_data(lows: Lows, cuts: Sequence[Cut], *, dry_run: bool) -> dict[str, object]:
    """For --output json; `lows` of a dry run are those that would fail."""
    return {
        "dryRun": dry_run,
        "partitions": [
            {**_row(one), "lowWatermark": low} for one, low in sorted(lows.items()) if not isinstance(low, Refused)
        ],
        "failed": _failed({one: low for one, low in lows.items() if isinstance(low, Refused)}),
        "wouldDelete": [
            {**_row(cut.partition), "from": cut.start, "until": cut.until, "endOffset": cut.end} for cut in cuts
        ],
    }


def thrown(refused: Refused) -> str:
    """An error as Java prints an exception."""
    return f"{exception_class(refused.code)}: {refused.message}"


def _failed(failed: Mapping[TopicPartition, Refused]) -> list[dict[str, object]]:
    return [{**_row(one), "error": no.name, "message": no.message} for one, no in sorted(failed.items())]


def _row(one: TopicPartition) -> dict[str, object]:
    return {"topic": one[0], "partition": one[1]}
