"""Regular expressions of subscriptions: whether one matches the whole of a topic's name, in time linear in it.

Clients choose the expressions, so the broker must not be held up by one: they are parsed by Python's own parser, made
into a program of small steps, and all ways through it are walked at once. What cannot be matched in this way
(references back, looking around) is refused, as RE2, in which Kafka matches, refuses it.

Source: KIP-848 (SubscribedTopicRegex); Thompson 1968, Regular Expression Search Algorithm.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from string import ascii_letters, digits
from typing import Any

from server.model.errors import ErrorCode, Rejected

MAX_STEPS = 10_000  # of a program: what repetitions of repetitions may grow to
MAX_LENGTH = 4_096  # of an expression
KNOWN = 256  # expressions that are kept as programs
_parser: Any = import_module("re._parser")
_KINDS = {
    "DIGIT": frozenset(digits),
    "SPACE": frozenset(" \t\n\r\f\v"),
    "WORD": frozenset(ascii_letters + digits + "_"),
}
_END_OF = {"AT_BEGINNING": True, "AT_BEGINNING_STRING": True, "AT_END": False, "AT_END_STRING": False}
# A step: a character's test and where to go on; or where to go on without a character, and if only at an end: which.
Step = tuple[Callable[[str], bool] | None, tuple[int, ...], bool | None]


def matching(expression: str, names: Iterable[str]) -> frozenset[str]:
    """The names that it matches as a whole. Raises Rejected(INVALID_REGULAR_EXPRESSION)."""
    program = _program(expression)
    return frozenset(name for name in names if _matches(program, name))


def check(expression: str) -> None:
    """Raises Rejected(INVALID_REGULAR_EXPRESSION)."""
    _program(expression)


def _refused(expression: str, why: str) -> Rejected:
    message = f"SubscribedTopicRegex `{expression}` is not a valid regular expression: {why}."
    return Rejected(ErrorCode.INVALID_REGULAR_EXPRESSION, message)


@lru_cache(KNOWN)
def _program(expression: str) -> Sequence[Step]:
    if len(expression) > MAX_LENGTH:
        raise _refused(expression[:80], "it is too long")
    try:
        parsed = _parser.parse(expression)
        maker = _Maker()
        maker.rows(parsed, bool(parsed.state.flags & re.IGNORECASE))
    except (re.error, OverflowError, RecursionError, ValueError) as e:
        raise _refused(expression, str(e)) from e
    return maker.steps


def _matches(program: Sequence[Step], name: str) -> bool:
    """The end of the program is past its last step."""
    last = len(program)
    at = _closure(program, (0,), start=True, end=not name)
    for number, char in enumerate(name, 1):
        onward = [place for step in at if step < last for place in _taken(program[step], char)]
        if not onward:
            return False
        at = _closure(program, onward, start=False, end=number == len(name))
    return last in at


def _taken(step: Step, char: str) -> tuple[int, ...]:
    test, onward, _ = step
    return onward if test is not None and test(char) else ()


def _closure(program: Sequence[Step], places: Iterable[int], *, start: bool, end: bool) -> set[int]:
    """All steps that can be reached without a character."""
    found: set[int] = set()
    todo = list(places)
    while todo:
        place = todo.pop()
        if place in found:
            continue
        found.add(place)
        if place < len(program):
            test, onward, side = program[place]
            if test is None and (side is None or (start if side else end)):
                todo += onward
    return found


class _Maker:
    """Steps from the parsed expression."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, step: Step) -> int:
        if len(self.steps) >= MAX_STEPS:
            raise ValueError("it is too large")
        self.steps.append(step)
        return len(self.steps) - 1

    def test(self, test: Callable[[str], bool]) -> None:
        self.add((test, (len(self.steps) + 1,), None))

    def rows(self, rows: Iterable[tuple[Any, Any]], any_case: bool) -> None:
        for kind, value in rows:
            self.row(str(kind), value, any_case)

    def row(self, kind: str, value: Any, any_case: bool) -> None:
        match kind:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                self.test(_test(kind, value, any_case))
            case "SUBPATTERN":
                _, added, removed, inner = value
                self.rows(inner, bool(added & re.IGNORECASE) or (any_case and not removed & re.IGNORECASE))
            case "BRANCH":
                self.branch(value[1], any_case)
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, inner = value
                self.repeat(least, most, inner, any_case)
            case "AT" if str(value) in _END_OF:
                self.add((None, (len(self.steps) + 1,), _END_OF[str(value)]))
            case _:
                raise ValueError(f"{kind.lower().replace('_', ' ')} is not supported")

    def branch(self, ways: Sequence[Any], any_case: bool) -> None:
        fork = self.add((None, (), None))
        starts, ends = [], []
        for way in ways:
            starts.append(len(self.steps))
            self.rows(way, any_case)
            ends.append(self.add((None, (), None)))
        self.steps[fork] = (None, tuple(starts), None)
        for end in ends:
            self.steps[end] = (None, (len(self.steps),), None)

    def repeat(self, least: int, most: int, inner: Any, any_case: bool) -> None:
        for _ in range(least):
            self.rows(inner, any_case)
        if most == _parser.MAXREPEAT:
            fork = self.add((None, (), None))
            self.rows(inner, any_case)
            self.add((None, (fork,), None))
            self.steps[fork] = (None, (fork + 1, len(self.steps)), None)
            return
        forks = []
        for _ in range(most - least):
            forks.append(self.add((None, (), None)))
            self.rows(inner, any_case)
        for fork in forks:
            self.steps[fork] = (None, (fork + 1, len(self.steps)), None)


def _test(kind: str, value: Any, any_case: bool) -> Callable[[str], bool]:
    plain = _plain(kind, value)
    if not any_case:
        return plain
    if kind in ("NOT_LITERAL", "IN") and (kind == "NOT_LITERAL" or str(value[0][0]) == "NEGATE"):
        return lambda char: plain(char.lower()) and plain(char.upper())
    return lambda char: plain(char.lower()) or plain(char.upper())


def _plain(kind: str, value: Any) -> Callable[[str], bool]:
    match kind:
        case "LITERAL":
            return lambda char: ord(char) == value
        case "NOT_LITERAL":
            return lambda char: ord(char) != value
        case "ANY":
            return lambda char: char != "\n"
        case "RANGE":
            low, high = value
            return lambda char: low <= ord(char) <= high
        case "CATEGORY":
            return _category(str(value))
        case "IN":
            negated = str(value[0][0]) == "NEGATE"
            tests = [_plain(str(kind), each) for kind, each in value[negated:]]
            return lambda char: any(test(char) for test in tests) != negated
        case _:
            raise ValueError(f"{kind.lower()} is not supported")


def _category(name: str) -> Callable[[str], bool]:
    """As RE2 has them: of ASCII alone."""
    negated = "_NOT_" in name
    members = _KINDS[name.rpartition("_")[2]]
    return lambda char: (char in members) != negated
