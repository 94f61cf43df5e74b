"""What records hold."""

from pathlib import Path

import pytest

from kcli.errors import Failure
from kcli.perf import payloads


@pytest.mark.parametrize("wide", [False, True])
def test_letters_are_of_one_size_and_differ(wide: bool) -> None:
    made = payloads.letters(50, wide=wide)
    values = made.values(0, 500)
    assert {len(value) for value in values} == {50}
    assert len(set(values)) > 400
    assert set(b"".join(values)) == set(range(ord("A"), ord("Z") + 1))
    assert (made.size, made.largest) == (50, 50)


def test_every_run_draws_the_same() -> None:
    assert payloads.letters(30).values(0, 20) == payloads.letters(30).values(0, 20)


def test_sizes_vary_between_two() -> None:
    made = payloads.letters(3, 6)
    assert {len(value) for value in made.values(0, 500)} == {3, 4, 5, 6}
    assert (made.size, made.largest) == (None, 6)


def test_numbers_rise() -> None:
    assert payloads.numbers(20, 8).values(0, 3) == [b"8", b"9", b"10"]
    assert payloads.numbers(20, 8).values(2, 1) == [b"10"]


def test_lines_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "payloads").write_text("ä\nb\n")
    made, count = payloads.lines(str(tmp_path / "payloads"), "\\n")
    assert count == 2
    assert set(made.values(0, 100)) == {"ä".encode(), b"b"}


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"\xff"])
def test_a_file_without_payloads_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "payloads").write_bytes(content)
    with pytest.raises(Failure):
        payloads.lines(str(tmp_path / "payloads"), "\\n")
