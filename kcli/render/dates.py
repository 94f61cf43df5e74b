"""Moments as Java's SimpleDateFormat writes them, with English names.

Left out: weeks of a month or of a year, and eras.
"""

import re
from typing import NamedTuple

from kcli.errors import Setup

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHORT = 3
_PART = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']", re.DOTALL)


class Moment(NamedTuple):
    """A moment in local time. `weekday`: 0 is Monday. `offset`: minutes east of Greenwich."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    millis: int
    weekday: int
    day_of_year: int
    zone: str
    offset: int


def formatted(moment: Moment, pattern: str) -> str:
    """Raises Setup: no such pattern."""
    out, at = [], 0
    while at < len(pattern):
        part = _PART.match(pattern, at)
        if part is None:
            raise Setup(f"Unterminated quote in --date-format '{pattern}'")
        at = part.end()
        if part[1] is not None:
            out.append(part[1].replace("''", "'") or "'")
        elif part[2]:
            out.append(_field(moment, part[2], len(part[0])))
        else:
            out.append(part[0])
    return "".join(out)


def _field(moment: Moment, letter: str, width: int) -> str:
    numbers = {
        "d": moment.day,
        "D": moment.day_of_year,
        "H": moment.hour,
        "k": moment.hour or 24,
        "K": moment.hour % 12,
        "h": moment.hour % 12 or 12,
        "m": moment.minute,
        "s": moment.second,
        "S": moment.millis,
        "u": moment.weekday + 1,
    }
    if letter in numbers:
        return f"{numbers[letter]:0{width}}"
    if letter in "yY":
        return f"{moment.year % 100:02}" if width == 2 else f"{moment.year:0{width}}"
    if letter in "ML":
        name = MONTHS[moment.month - 1]
        return f"{moment.month:0{width}}" if width < SHORT else name if width > SHORT else name[:SHORT]
    if letter == "E":
        return DAYS[moment.weekday] if width > SHORT else DAYS[moment.weekday][:SHORT]
    if letter == "a":
        return "AM" if moment.hour < 12 else "PM"
    if letter == "z":
        return moment.zone
    if letter in "ZX":
        return _offset(moment.offset, letter, width)
    raise Setup(f"Illegal pattern character '{letter}'", "--date-format takes patterns like yyyy-MM-dd HH:mm:ss:SSS.")


def _offset(minutes: int, letter: str, width: int) -> str:
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    if letter == "Z":
        return f"{sign}{hours:02}{rest:02}"
    if not minutes:
        return "Z"
    return f"{sign}{hours:02}" + {1: "", 2: f"{rest:02}"}.get(width, f":{rest:02}")
