"""Several producers in one run: a process each, since one fills one core; one summary of them all."""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Any

from kcli.errors import Failure
from kcli.model.measures import Stats, Window
from kcli.perf.producing import Counters, Load, Produced, Run
from kcli.pipeline.settings import ProducerSettings
from kcli.pipeline.stopping import on_signals
from kcli.properties import Connection

Told = Callable[[Window, bool], None]


def produce(
    loads: Sequence[Load],
    connection: Connection,
    settings: ProducerSettings,
    *,
    told: Told,
    notice: Callable[[str], None],
) -> Produced:
    """Do all the loads at the same time. Raises Failure where one cannot begin."""
    context = multiprocessing.get_context("fork")  # the payloads are there already
    children, pipes = [], list[Pipe]()
    for load in loads:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(theirs, load, connection, settings), daemon=True)
        child.start()
        theirs.close()
        pipes.append(ours)
        children.append(child)
    gathering = _Gathering(pipes, told, notice)
    stopped: KeyboardInterrupt | None = None
    try:
        try:
            gathering.all()
        except KeyboardInterrupt as signal:
            stopped = signal
            for child in children:
                child.terminate()  # they tell what they have done, and end
            gathering.all()
    except BaseException:
        for child in children:
            child.kill()
        raise
    finally:
        for child in children:
            child.join()
    total = joined(gathering.done)
    return total._replace(stopped=stopped) if stopped else total


def _child(pipe: Pipe, load: Load, connection: Connection, settings: ProducerSettings) -> None:
    with on_signals():
        try:
            run = Run(
                load,
                connection,
                settings,
                told=lambda window, first: pipe.send(("window", (window, first))),
                notice=lambda text: pipe.send(("notice", text)),
            )
            pipe.send(("done", run.all()))
        except Failure as failure:
            pipe.send(("failure", (failure.message, failure.advice)))
        except KeyboardInterrupt:
            pipe.close()  # stopped before anything was done, or after all was told


class _Gathering:
    """Hears what the processes tell, until each has told its result."""

    def __init__(self, pipes: Sequence[Pipe], told: Told, notice: Callable[[str], None]) -> None:
        self.done: list[Produced] = []
        self._pipes, self._told, self._notice = pipes, told, notice
        self._open = set(pipes)
        self._windows: dict[Pipe, list[tuple[Window, bool]]] = {pipe: [] for pipe in pipes}
        self._heard: set[str] = set()

    def all(self) -> None:
        """Raises Failure: a process could not begin, or ended before its time."""
        while self._open:
            for pipe in wait(list(self._open)):
                assert isinstance(pipe, Pipe), "nothing else is waited for"
                try:
                    self._take(pipe, *pipe.recv())
                except EOFError as error:
                    raise Failure("A producer process ended before its time") from error
            while self._open and all(self._windows[pipe] for pipe in self._open):
                rows = [self._windows[pipe].pop(0) for pipe in self._pipes if self._windows[pipe]]
                self._told(_sum([row[0] for row in rows]), any(row[1] for row in rows))

    def _take(self, pipe: Pipe, kind: str, what: Any) -> None:
        if kind == "window":
            self._windows[pipe].append(what)
        elif kind == "notice" and what not in self._heard:
            self._heard.add(what)
            self._notice(what)
        elif kind == "failure":
            raise Failure(*what)
        elif kind == "done":
            self.done.append(what)
            self._open.discard(pipe)


def _sum(windows: Sequence[Window]) -> Window:
    total = windows[0]
    for each in windows[1:]:
        total = total.plus(each)
    return total


def joined(runs: Sequence[Produced]) -> Produced:
    """One result of several that went on at the same time."""
    counters = Counters()
    for run in runs:
        counters.join(run.counters)
    steady = [run.steady for run in runs if run.steady]
    due = runs[0].due
    if due is not None:
        for run in runs[1:]:
            assert run.due is not None, "all have a pace or none"
            due.join(run.due)
    return Produced(
        _joined([run.stats for run in runs]),
        max(run.elapsed_ms for run in runs),
        _joined(steady) if steady else None,
        max(run.steady_elapsed_ms for run in runs),
        due,
        sum(run.sent for run in runs),
        sum(run.failed for run in runs),
        counters,
        next((run.stopped for run in runs if run.stopped), None),
    )


def _joined(all_stats: Sequence[Stats]) -> Stats:
    first, *others = all_stats
    for other in others:
        first.latencies.join(other.latencies)
        first.bytes += other.bytes
        for index, window in enumerate(other.windows):
            if index < len(first.windows):
                first.windows[index] = first.windows[index].plus(window)
            else:
                first.windows.append(window)
    return first
