"""The checker is silent about a sound history, and names each thing that can go wrong."""

from itertools import count

import pytest

from tests.support.history import FINAL, Anomaly, Event, acknowledged, check

Events = list[Event]


class Story:
    """Events of one partition, told in order."""

    def __init__(self) -> None:
        self.events: Events = []
        self._time = count()

    def add(self, kind: str, operation: str, **fields: object) -> "Story":
        told = Event(kind, operation, next(self._time), **{"partition": "t-0", "client": "c", **fields})  # type: ignore[arg-type]
        self.events.append(told)
        return self

    def sent(self, value: str, offset: int, client: str = "c") -> "Story":
        self.add("invoke", "send", value=value, client=client)
        return self.add("ok", "send", value=value, offset=offset, client=client)

    def asked(self, *values: str) -> "Story":
        for value in values:
            self.add("invoke", "send", value=value)
        return self

    def polled(self, *rows: tuple[int, str], start: int = -1, client: str = "r") -> "Story":
        return self.add("ok", "poll", rows=rows, start=start, client=client)

    def final(self, *rows: tuple[int, str]) -> "Story":
        return self.polled(*rows, start=0, client=FINAL)

    def end(self, offset: int) -> "Story":
        return self.add("invoke", "end").add("ok", "end", offset=offset)

    def power_cut(self) -> "Story":
        return self.add("info", "power-cut", partition="", client="")

    def anomalies(self, **options: frozenset[str]) -> list[str]:
        return [anomaly.name for anomaly in check(self.events, **options)]


A, B, C = (0, "a"), (1, "b"), (2, "c")


def test_a_sound_history_has_no_anomaly() -> None:
    story = Story().sent("a", 0).asked("b").polled(A, start=0).end(1).sent("c", 2).polled(B, C).end(3).final(A, B, C)
    assert story.anomalies() == []
    assert acknowledged(story.events) == 2


@pytest.mark.parametrize(
    ("name", "story"),
    [
        ("lost-write", Story().sent("a", 0).sent("b", 1).final(B)),
        ("lost-write", Story().asked("x").sent("a", 0).sent("b", 1).final((0, "x"), B)),
        ("unseen", Story().sent("a", 0).sent("b", 1).final(A)),
        ("unseen", Story().sent("a", 0).final()),
        ("unseen", Story().asked("a").polled(A).final()),
        ("duplicate", Story().sent("a", 0).final(A, (1, "a"))),
        ("inconsistent-offsets", Story().sent("a", 0).asked("b").polled((0, "b"))),
        ("inconsistent-offsets", Story().asked("a", "b").polled(A).polled((0, "b"), start=0)),
        ("inconsistent-offsets", Story().sent("a", 0).asked("b").final((0, "b"), (1, "a"))),
        ("unwritten-read", Story().polled(A)),
        ("aborted-read", Story().asked("a").add("fail", "send", value="a").polled(A)),
        ("nonmonotonic-send", Story().sent("b", 1).sent("a", 0)),
        ("nonmonotonic-send", Story().asked("a").sent("b", 1).add("ok", "send", value="a", offset=2)),
        ("nonmonotonic-poll", Story().asked("a", "b").polled(A, B).polled(A)),
        ("nonmonotonic-poll", Story().asked("a", "b").polled(B, A)),
        ("nonmonotonic-poll", Story().asked("a", "b").polled(A, start=1)),
        ("poll-skip", Story().sent("a", 0).sent("b", 1).sent("c", 2).polled(A, C)),
        ("poll-skip", Story().sent("a", 0).sent("b", 1).polled(B, start=0)),
        ("end-offset-regression", Story().end(2).end(1)),
        ("end-offset-regression", Story().sent("a", 0).end(0)),
        ("end-offset-regression", Story().asked("a", "b").polled(A, B, client="c").end(1)),
        ("hole", Story().sent("a", 0).sent("b", 1).sent("c", 2).power_cut().asked("x").final(A, (1, "x"), C)),
        ("inconsistent-offsets", Story().power_cut().sent("a", 0).asked("x").polled((0, "x"))),
        ("unseen", Story().power_cut().sent("a", 0).final()),
    ],
)
def test_what_goes_wrong_is_named(name: str, story: Story) -> None:
    assert name in story.anomalies()


@pytest.mark.parametrize(
    "story",
    [
        Story().asked("a").sent("b", 1, client="d").add("ok", "send", value="a", offset=0),  # answered late
        Story().sent("b", 1).polled(B, start=1).polled(B, start=1).final(B),  # a seek; the log start moved
        Story().sent("a", 0).polled((5, "z"), start=5, client="s").asked("z"),  # offsets nobody knows may be no records
        Story().add("invoke", "end").sent("a", 0).add("ok", "end", offset=0),  # asked before it was acknowledged
        Story().sent("a", 0).sent("b", 1).power_cut().final(A),
        Story().sent("a", 0).end(1).power_cut().end(0).asked("x").final((0, "x")),
        Story().asked("a").add("info", "send", value="a").final(A),
        Story().asked("a").add("info", "send", value="a").final(),
        Story().asked("a", "b").polled(A, B, client="r").end(1),  # of a deposed leader, which this client still asks
    ],
)
def test_what_may_happen_is_not_called_wrong(story: Story) -> None:
    assert story.anomalies() == []


def test_a_durable_partition_loses_nothing_to_a_power_cut() -> None:
    story = Story().sent("a", 0).sent("b", 1).power_cut().final(A)
    assert story.anomalies(durable=frozenset({"t-0"})) == ["unseen"]
    story = Story().end(2).power_cut().end(0)
    assert story.anomalies(durable=frozenset({"t-0"})) == ["end-offset-regression"]


def test_partitions_are_judged_apart() -> None:
    story = Story().sent("a", 0).add("invoke", "send", value="x", partition="t-1")
    story.add("ok", "send", value="x", offset=0, partition="t-1").final(A)
    story.add("ok", "poll", rows=(), start=0, partition="t-1", client=FINAL)
    assert check(story.events) == [Anomaly("unseen", "t-1", "'x', acknowledged or read at offset 0")]


def test_events_are_lines_of_json() -> None:
    for event in Story().sent("a", 0).polled(A, B).events:
        assert Event.parse(event.json()) == event


@pytest.mark.parametrize(
    ("name", "shows", "sound"),
    [
        (
            "lost-write",
            Story().sent("a", 0).sent("b", 1).final(B),
            Story().sent("b", 1).asked("a").add("info", "send", value="a").final(B),  # nobody promised the other one
        ),
        ("unseen", Story().sent("a", 0).final(), Story().asked("a").final()),
        ("duplicate", Story().sent("a", 0).final(A, (1, "a")), Story().sent("a", 0).sent("b", 1).final(A, B)),
        (
            "inconsistent-offsets",
            Story().sent("a", 0).asked("b").final((0, "b"), (1, "a")),
            Story().sent("a", 0).asked("b").final(A, B),
        ),
        (
            "aborted-read",
            Story().asked("a").add("fail", "send", value="a").polled(A),
            Story().asked("a").add("info", "send", value="a").polled(A),  # nobody said that it failed
        ),
        ("unwritten-read", Story().polled(A), Story().asked("a").polled(A)),
        ("nonmonotonic-send", Story().sent("b", 1).sent("a", 0), Story().sent("b", 1).sent("a", 0, client="d")),
        (
            "nonmonotonic-poll",
            Story().asked("a", "b").polled(A, B).polled(A),
            Story().asked("a", "b").polled(A, B).polled(A, start=0),  # it went back on purpose
        ),
        (
            "poll-skip",
            Story().sent("a", 0).sent("b", 1).polled(B, start=0),
            Story().sent("a", 0).sent("b", 1).polled(B, start=1),
        ),
        ("end-offset-regression", Story().end(2).end(1), Story().end(2).end(2)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_anomaly_is_told_from_what_looks_like_it(name: str, shows: Story, sound: Story) -> None:
    """The smallest history of each, and the nearest one that is sound."""
    assert name in shows.anomalies()
    assert sound.anomalies() == []
