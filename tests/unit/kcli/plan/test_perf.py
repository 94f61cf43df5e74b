"""The pace of a run, the pieces of a file, the shares of producers."""

import pytest

from kcli.plan.perf import REST_MS, Pace, pieces, shares


def test_as_many_as_are_due() -> None:
    pace = Pace(1000.0)
    assert [pace.due(ms) for ms in (0, 0.9, 1, 10, 2500)] == [1, 1, 2, 11, 2501]
    assert pace.moment_ms(20) == 20.0


@pytest.mark.parametrize("target", [0.5, 3.0, 500.0, 20_000.0, 1e6])
def test_a_run_in_simulated_time_keeps_its_pace(target: float) -> None:
    pace, now, sent = Pace(target), 0.0, 0
    while now < 10_000:
        if pace.due(now) > sent:
            sent = pace.due(now)
        else:
            now += pace.rest_ms(now, sent)
    assert sent == pytest.approx(target * now / 1000, abs=2 + target * REST_MS / 1000)


def test_no_pace() -> None:
    assert (Pace(-1.0).limited, Pace(0.1).limited) == (False, True)


@pytest.mark.parametrize(
    ("text", "delimiter", "found"),
    [
        ("one\ntwo\n\n", "\\n", ["one", "two"]),
        ("one\n\ntwo", "\\n", ["one", "", "two"]),
        ("a1b22c", r"\d+", ["a", "b", "c"]),
        ("alone", ",", ["alone"]),
        (",a", ",", ["", "a"]),
        (",,,", ",", []),
        ("abc", "", ["a", "b", "c"]),
    ],
)
def test_pieces_are_those_of_java(text: str, delimiter: str, found: list[str]) -> None:
    """String.split: empty pieces at the end are dropped, and a match of nothing at the front gives none."""
    assert pieces(text, delimiter) == found


def test_shares_are_nearly_equal() -> None:
    assert [shares(10, 3), shares(2, 2), shares(0, 2)] == [[4, 3, 3], [1, 1], [0, 0]]
