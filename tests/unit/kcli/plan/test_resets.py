"""What a reset comes to, and the times, durations and files that say so."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcli.errors import Failure, Usage
from kcli.model.groups import Committed, Reset
from kcli.model.offsets import Position
from kcli.plan import resets

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE, TWO = ("t", 0), ("t", 1)


@given(st.integers(-(10**12), 10**13), st.integers(-18 * 60, 18 * 60))
def test_a_time_is_what_python_reads(ms: int, offset: int) -> None:
    moment = (EPOCH + timedelta(milliseconds=ms)).astimezone(timezone(timedelta(minutes=offset)))
    sign, minutes = ("-", -offset) if offset < 0 else ("+", offset)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}{sign}{minutes // 60:02}:{minutes % 60:02}"
    assert resets.datetime_ms(text) == ms


@pytest.mark.parametrize("zone", ["", "Z", "+00:00", "+00", "-0000"])
def test_utc_has_several_names(zone: str) -> None:
    assert resets.datetime_ms(f"2023-11-14T22:13:20.000{zone}") == 1_700_000_000_000


@pytest.mark.parametrize(
    "text",
    ["2023-11-14T22:13:20", "2023-02-29T00:00:00.000", "2023-13-01T00:00:00.000", "2023-01-01T24:00:00.000"],
)
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="Unparseable date"):
        resets.datetime_ms(text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("PT1M", 60_000),
        ("P1D", 86_400_000),
        ("P1DT2H3M4.5S", 93_784_500),
        ("pt0.001s", 1),
        ("PT-0.5S", -500),
        ("-PT1H", -3_600_000),
        ("-P-1D", 86_400_000),
        ("PT1H-30M", 1_800_000),
        ("PT1,25S", 1250),
    ],
)
def test_a_duration_is_what_java_reads(text: str, ms: int) -> None:
    assert resets.duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "P", "PT", "1h", "P1M", "P1DT", "PT1.0H", "P 1D", "PT1S "])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="Text cannot be parsed to a Duration"):
        resets.duration_ms(text)


def test_an_offset_is_cut_to_what_there_is() -> None:
    starts, ends = {ONE: Position(5), TWO: Position(5)}, {ONE: Position(9), TWO: Position(9)}
    cut, words = resets.within({ONE: 3, TWO: 12}, starts, ends)
    assert cut == {ONE: 5, TWO: 9}
    assert words == {
        ONE: "New offset (3) is lower than earliest offset for topic partition t-0. Value will be set to 5",
        TWO: "New offset (12) is higher than latest offset for topic partition t-1. Value will be set to 9",
    }
    assert resets.within({ONE: 5, TWO: 9}, starts, ends) == ({ONE: 5, TWO: 9}, {})


def test_only_committed_offsets_can_be_shifted() -> None:
    assert resets.shifted([ONE], {ONE: Committed(7)}, -9) == {ONE: -2}
    with pytest.raises(Usage, match="Cannot shift offset for partition t-1"):
        resets.shifted([ONE, TWO], {ONE: Committed(7)}, 1)


def test_a_time_after_all_records_is_the_end() -> None:
    found, ends = {ONE: Position(4, 100), TWO: Position(-1)}, {ONE: Position(9), TWO: Position(8)}
    assert resets.at_time(found, ends) == ({ONE: 4, TWO: 8}, [TWO])


def test_a_reset_skips_or_repeats() -> None:
    now = {ONE: Committed(7), TWO: Committed(2)}
    first, second, third = resets.resets({("u", 0): 5, TWO: 9, ONE: 3}, now)
    assert (first, first.skipped, first.repeated) == (Reset("t", 0, Committed(7), 3), 0, 4)
    assert (second, second.skipped, second.repeated) == (Reset("t", 1, Committed(2), 9), 7, 0)
    assert (third, third.skipped, third.repeated) == (Reset("u", 0, None, 5), 0, 0)


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text.strip() == text and not text.startswith("\ufeff")
)
rows = st.dictionaries(st.tuples(names, st.integers(0, 2**31 - 1)), st.integers(0, 2**63 - 1), min_size=1, max_size=5)


@given(st.dictionaries(names, rows, min_size=1, max_size=3))
def test_a_plan_that_was_exported_can_be_imported(plans: dict[str, resets.Plan]) -> None:
    exported = {group: resets.resets(found, {}) for group, found in plans.items()}
    text = resets.exported(exported, with_group=True)
    assert resets.imported(text, "f", list(plans)) == plans
    group = next(iter(plans))
    single = resets.exported({group: exported[group]}, with_group=False)
    assert resets.imported(single, "f", [group]) == {group: plans[group]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("t,0", "f, line 1: it has 2 column"),
        ("t,0,1\nt,1", "f, line 2: it has 2 column"),
        ("t,0,1\n\ng,t,1,2", "f, line 3: it has 4 column"),
        ("t,x,1", r"f, line 1, column 2 \(partition\): 'x' is not a number"),
        ("g,t,0,-1", r"f, line 1, column 4 \(offset\): '-1' is not a number"),
        ("t,2147483648,1", r"column 2 \(partition\)"),
        ("t,0,9223372036854775808", r"column 3 \(offset\)"),
        (",0,1", r"f, line 1, column 1 \(topic\): it is empty"),
        ("t,0,1\nt,0,2", "f, line 2: t-0 is named twice"),
        ('"t,0,1', "f, line 1: "),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(Failure, match=told):
        resets.imported(text, "f", ["g"])


def test_the_rows_of_other_groups_are_left_out() -> None:
    text = "\ufeffg,t,0,1\r\nh,t,0,2\r\n"
    assert resets.imported(text, "f", ["g", "k"]) == {"g": {ONE: 1}}
