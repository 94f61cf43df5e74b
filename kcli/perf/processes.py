"""Several producers in one run: a process each, since one fills one core; one summary of them all."""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait

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
    pipes: list[Pipe] = []
    children = []
    try:
        for load in loads:
            ours, theirs = context.Pipe(duplex=False)
            child = context.Process(target=_child, args=(theirs, load, connection, settings), daemon=True)
            child.start()
            theirs.close()
            pipes.append(ours)
            children.append(child)
        done = _gathered(pipes, told, notice)
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.join()
    return joined(done)


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


def _gathered(pipes: Sequence[Pipe], told: Told, notice: Callable[[str], None]) -> list[Produced]:
    open_pipes, done = set(pipes), list[Produced]()
    windows: dict[Pipe, list[tuple[Window, bool]]] = {pipe: [] for pipe in pipes}
    heard: set[str] = set()
    while open_pipes:
        for pipe in wait(list(open_pipes)):
            assert isinstance(pipe, Pipe), "nothing else is waited for"
            try:
                kind, what = pipe.recv()
            except EOFError as error:
                raise Failure("A producer process ended before its time") from error
            if kind == "window":
                windows[pipe].append(what)
            elif kind == "notice" and what not in heard:
                heard.add(what)
                notice(what)
            elif kind == "failure":
                raise Failure(*what)
            elif kind == "done":
                done.append(what)
                open_pipes.discard(pipe)
        while open_pipes and all(windows[pipe] for pipe in open_pipes):
            rows = [windows[pipe].pop(0) for pipe in pipes if windows[pipe]]
            told(_sum([row[0] for row in rows]), any(row[1] for row in rows))
    return done


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
