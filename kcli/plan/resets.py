"""New offsets for groups: what a scenario of --reset-offsets comes to, and the CSV files that hold such plans.

Source: KIP-122. Times are as SimpleDateFormat reads them there, durations as java.time.Duration does.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence

from kcli.errors import Failure, Usage
from kcli.model.groups import Committed, Reset
from kcli.model.moves import TopicPartition
from kcli.model.offsets import Position

SCENARIOS = (
    "to-offset", "to-earliest", "to-current", "to-latest", "by-duration", "to-datetime", "from-file", "shift-by"
)  # fmt: skip
MAX_ROWS = 1_000_000  # of a plan in a file
MAX_CLIENT_TEXT = 24  # a text field of a CSV file that is longer is quoted, as Kafka does
DATETIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{1,3})(?:Z|([+-])(\d\d)(?::?(\d\d))?)", re.ASCII)
DURATION = re.compile(
    r"([-+]?)P(?:([-+]?\d+)D)?(T(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?\d+)(?:[.,](\d{0,9}))?S)?)?",
    re.ASCII | re.IGNORECASE,
)
DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
Plan = dict[TopicPartition, int]
Positions = Mapping[TopicPartition, Position]


def datetime_ms(text: str) -> int:
    """Read YYYY-MM-DDThh:mm:ss.sss and a zone (none: UTC) as ms since 1970. Raises Failure in Kafka's words."""
    _, separator, rest = text.partition("T")
    if not separator or not rest:
        raise Failure(
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format",
            "Write it as 2026-01-31T12:00:00.000 (UTC) or 2026-01-31T12:00:00.000+01:00.",
        )
    if not any(sign in rest for sign in "+-Z"):
        text += "Z"
    found = DATETIME.fullmatch(text)
    parts = [int(part) for part in found.groups()[:7]] if found else []
    if not found or not _exists(parts):
        raise Failure(
            f'java.text.ParseException: Unparseable date: "{text}"',
            "Write it as 2026-01-31T12:00:00.000 (UTC) or 2026-01-31T12:00:00.000+01:00.",
        )
    year, month, day, hour, minute, second, milli = parts
    sign, hours, minutes = found[8], int(found[9] or 0), int(found[10] or 0)
    ahead = (hours * 60 + minutes) * (-1 if sign == "-" else 1)
    return ((_days(year, month, day) * 24 + hour) * 60 + minute - ahead) * 60_000 + second * 1000 + milli


def _exists(parts: Sequence[int]) -> bool:
    year, month, day, hour, minute, second, _ = parts
    if not 1 <= month <= 12:
        return False
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= day <= DAYS[month - 1] + leap and hour < 24 and minute < 60 and second < 60


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date, counted in years that begin in March, so that a leap day ends one."""
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - 719468


def duration_ms(text: str) -> int:
    """Read PnDTnHnMnS. Raises Failure in Kafka's words."""
    found = DURATION.fullmatch(text)
    if not found or not any(found.groups()[1:]) or (found[3] or "").upper() == "T":
        raise Failure("Text cannot be parsed to a Duration", "Write it as P1D, PT6H, PT30M or P1DT12H30M.")
    days, hours, minutes, seconds = (int(found[group] or 0) for group in (2, 4, 5, 6))
    part = int((found[7] or "").ljust(9, "0")) // 1_000_000 * (-1 if (found[6] or "").startswith("-") else 1)
    total = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + part
    return -total if found[1] == "-" else total


def within(wanted: Plan, starts: Positions, ends: Positions) -> tuple[Plan, dict[TopicPartition, str]]:
    """Offsets cut to what partitions have, and Kafka's words on those that were."""
    cut: Plan = {}
    words = {}
    for one, offset in wanted.items():
        low, high = starts[one].offset, ends[one].offset
        cut[one] = min(max(offset, low), high)
        if cut[one] != offset:
            side = "higher than latest" if offset > high else "lower than earliest"
            words[one] = (
                f"New offset ({offset}) is {side} offset for topic partition {one[0]}-{one[1]}. "
                f"Value will be set to {cut[one]}"
            )
    return cut, words


def shifted(partitions: Iterable[TopicPartition], now: Mapping[TopicPartition, Committed], by: int) -> Plan:
    """Committed offsets moved by a number. Raises Usage: nothing is committed for a partition."""
    found = {}
    for one in partitions:
        if one not in now:
            raise Usage(
                f"Cannot shift offset for partition {one[0]}-{one[1]} since there is no current committed offset"
            )
        found[one] = now[one].offset + by
    return found


def at_time(found: Positions, ends: Positions) -> tuple[Plan, list[TopicPartition]]:
    """The records found for a time; where there is none, the end: those partitions are told, too."""
    later = [one for one, position in found.items() if position.offset < 0]
    return {one: ends[one].offset if one in later else found[one].offset for one in found}, later


def resets(wanted: Plan, now: Mapping[TopicPartition, Committed]) -> tuple[Reset, ...]:
    return tuple(Reset(*one, now.get(one), wanted[one]) for one in sorted(wanted))


def exported(plans: Mapping[str, Sequence[Reset]], *, with_group: bool) -> str:
    """A plan as CSV, in the words of Kafka's tool, which ends it with an empty line."""
    rows = [
        ",".join([*([_quoted(group)] if with_group else []), _quoted(row.topic), str(row.partition), str(row.then)])
        for group, found in plans.items()
        for row in found
    ]
    return "".join(f"{row}\n" for row in rows) + "\n"


def _quoted(text: str) -> str:
    if len(text) > MAX_CLIENT_TEXT or any(char < "-" for char in text):
        return '"' + text.replace('"', '""') + '"'
    return text


def imported(text: str, named: str, groups: Sequence[str]) -> dict[str, Plan]:
    """Read a plan: topic,partition,offset for a single group; group,topic,partition,offset for any number of them.

    Rows of other groups than `groups` are left out. Raises Failure: names line and column of what is wrong.
    """
    found: dict[str, Plan] = {}
    width = None
    lines = text.removeprefix("\ufeff").splitlines()
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            where = f"{named}, line {reader.line_num}"
            if reader.line_num > MAX_ROWS:
                raise Failure(f"{where}: a plan has at most {MAX_ROWS} lines")
            width = width or _width(row, where, single=len(groups) == 1)
            if len(row) != width:
                raise Failure(f"{where}: it has {len(row)} column(s), and {width} are expected: {_columns(width)}")
            group, topic, partition, offset = row if width == 4 else (groups[0], *row)
            if not topic:
                raise Failure(f"{where}, column {width - 2} (topic): it is empty")
            one = (topic, _number(partition, where, width - 1, "partition", 31))
            value = _number(offset, where, width, "offset", 63)
            rows = found.setdefault(group, {})
            if one in rows:
                raise Failure(f"{where}: {topic}-{one[1]} is named twice")
            rows[one] = value
    except csv.Error as error:
        raise Failure(f"{named}, line {reader.line_num}: {error}") from error
    return {group: rows for group, rows in found.items() if group in groups}


def _width(row: Sequence[str], where: str, *, single: bool) -> int:
    if len(row) not in ((3, 4) if single else (4,)):
        expected = " or ".join(map(_columns, (3, 4) if single else (4,)))
        raise Failure(f"{where}: it has {len(row)} column(s), and {expected} is expected")
    return len(row)


def _columns(width: int) -> str:
    return "topic,partition,offset" if width == 3 else "group,topic,partition,offset"


def _number(text: str, where: str, column: int, name: str, bits: int) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and int(digits) < 1 << bits):
        raise Failure(f"{where}, column {column} ({name}): '{text}' is not a number from 0 to {(1 << bits) - 1}")
    return int(digits)
