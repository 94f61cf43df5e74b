"""What a run says while it lasts."""

import io
import sys

import pytest

from kcli.model.measures import Window
from kcli.perf.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Bar(200, lambda text: None)
    bar.moved(100, 1 << 20, 500.0)
    bar.moved(101, 1 << 20, 500.0)  # at once: it does not flicker
    bar.clear()
    assert terminal.getvalue() == f"\r[{'#' * 15}{'.' * 15}]  50%  2.0 MB/sec\x1b[K\r\x1b[K"


def test_a_file_sees_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    bar = Bar(200, lambda text: None)
    bar.moved(100, 1 << 20, 500.0)
    bar.clear()
    assert file.getvalue() == ""


def test_windows_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    bar = Bar(200, said.append)
    bar.window(Window(0, 1000, 10, 100, 20.0, 3.5), True)
    assert said == [
        "In steady state.",
        "10 records sent, 10.0 records/sec (0.00 MB/sec), 2.0 ms avg latency, 3.0 ms max latency.",
    ]
