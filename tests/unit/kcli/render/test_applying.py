"""Sizes, times and progress as people read them."""

import pytest

from kcli.model.moves import Progress
from kcli.render import applying as render


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
     (-1500, "-1.5 kB"), (2 * 10**18, "2000.0 PB")],
)  # fmt: skip
def test_sizes(count: int, told: str) -> None:
    assert render.size(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7800, "2 h 10 min")]
)
def test_times(seconds: int, told: str) -> None:
    assert render.lasting(seconds) == told


def test_progress_in_a_line_and_in_a_bar() -> None:
    halfway = Progress(1, 3, 500, 1000, 50, 10)
    line = "1 of 3 partitions, 500 bytes of 1.0 kB copied (50%), 50 bytes/s, 10 s left"
    assert render.progress(halfway) == line
    assert render.bar(halfway) == f"[{'#' * 15}{'.' * 15}] {line}"
    empty = Progress(1, 1, 0, 0, None, 0)
    assert render.bar(empty) == f"[{'#' * 30}] 1 of 1 partition, 0 bytes of 0 bytes copied"


def test_of_many_partitions_a_few_are_named() -> None:
    assert render.named([("t", index) for index in range(12)]).endswith("t-9 and 2 more")
