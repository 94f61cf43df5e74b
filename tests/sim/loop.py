"""An asyncio event loop that lives in virtual time, and whose processes can be killed.

When nothing is ready the loop does not sleep: its clock jumps to the next timer. Whatever runs on it is single-
threaded, repeatable, and as fast as the CPU allows. With nothing ready and no timer set the world can never move
again; that is a deadlock, and raised as one.

Scheduling is seeded: with a Random, each timer fires a draw later than asked for (a timer promises no more than "not
before"), so that two seeds try two orders. What is ready runs in the order in which it became ready, as asyncio
promises.

A `Process` is a set of tasks that die together. Tasks belong to the process in whose context they were created, and so
do the tasks that those create. `kill` drops all that a process has ready or scheduled: none of its code runs again, not
even a `finally`, which is what SIGKILL does and cancellation does not.
"""

import asyncio
import contextlib
import contextvars
import heapq
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
JITTER_S = 0.000_1


class Killed(BaseException):
    """Unwinds the code during which its own process was killed. A BaseException: nobody may catch it and go on."""


class Process:
    def __init__(self, name: str, slow_s: float = 0.0) -> None:
        """slow_s: how long the work that it hands to a thread may take."""
        self.name, self.alive, self.slow_s = name, True, slow_s
        self._context = contextvars.copy_context()
        self._context.run(_PROCESS.set, self)

    @property
    def context(self) -> contextvars.Context:
        """A context of this process for a task or a callback; a copy, because a context can be entered once only."""
        return self._context.copy()


_PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class _Jump(selectors.BaseSelector):
    """Stands where the loop would wait for sockets, and moves the clock instead."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def to(self, when_s: float | None) -> None:
        if when_s is None:
            raise RuntimeError("simulated deadlock: every task waits and no timer is set")
        self.now_s = max(self.now_s, when_s)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._keys.setdefault(fileobj, selectors.SelectorKey(fileobj, 0, events, data))

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class SimLoop(asyncio.SelectorEventLoop):
    def __init__(self, rng: Random | None = None) -> None:
        self._jump = _Jump()
        self._rng = rng
        self._tasks: list[tuple[asyncio.Task[Any], Process | None]] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._ready: deque[asyncio.Handle]
        self._stopping: bool
        self.failures: list[str] = []
        super().__init__(self._jump)
        self.set_task_factory(self._make_task)
        self.set_exception_handler(self._failed)

    def time(self) -> float:
        return self._jump.now_s

    # asyncio's own four, without what costs time and is not needed here: a heap of handles that are compared in Python,
    # slow-callback checks, a poll of sockets at each turn.

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._unless_dead(handle)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        when += self._rng.random() * JITTER_S if self._rng else 0.0
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._unless_dead(handle)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays in the heap until it is due."""

    def _run_once(self) -> None:
        timers, ready = self._timers, self._ready
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not ready and not self._stopping:
            self._jump.to(timers[0][0] if timers else None)
        now_s = self.time()
        while timers and timers[0][0] <= now_s:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Do the work here, now or later: a thread would make the run unrepeatable."""
        done, process = self.create_future(), current_process()

        def work() -> None:
            if done.cancelled():
                return  # a thread would do it all the same, and nobody would hear of it
            try:
                done.set_result(func(*args))
            except Exception as e:
                done.set_exception(e)

        if process is not None and process.slow_s and self._rng is not None:
            self.call_later(self._rng.uniform(0, process.slow_s), work)
        else:
            work()
        return done

    def kill(self, process: Process) -> None:
        """End `process` between two of its steps. Called by its own code, that code must raise Killed next."""
        process.alive = False
        for handle in [*self._ready, *(row[2] for row in self._timers)]:
            if _owner(handle) is process:
                handle.cancel()

    def unretrieved(self) -> list[BaseException]:
        """What ended a task and was never looked at by anybody."""
        ended = [task for task, _ in self._tasks if task.done() and task._log_traceback]
        return [error for task in ended if (error := task.exception()) and not isinstance(error, Killed)]

    def bury(self) -> None:
        """Close the coroutines of killed processes, once nothing that they would still do can matter."""
        for task, _ in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(BaseException):
                    task.get_coro().close()
        self._tasks.clear()

    def _make_task(self, loop: Any, coro: Any, **options: Any) -> asyncio.Task[Any]:
        # Strong references: a task that is garbage collected runs its `finally` blocks, at a moment that no seed
        # decides.
        task = asyncio.Task(coro, loop=loop, **options)
        context = options.get("context")
        self._tasks.append((task, context.get(_PROCESS) if context else current_process()))
        if len(self._tasks) % 1024 == 0:
            self._tasks = [row for row in self._tasks if not row[0].done()]
        return task

    def living(self) -> list[asyncio.Task[Any]]:
        """The unfinished tasks that nobody killed, oldest first."""
        return [task for task, owner in self._tasks if not task.done() and (owner is None or owner.alive)]

    def _failed(self, loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Killed):
            self.failures.append(f"{self.time():.6f} {context.get('message')}: {error!r}")

    def _unless_dead(self, handle: asyncio.Handle) -> asyncio.Handle:
        owner = _owner(handle)
        if owner is not None and not owner.alive:
            handle.cancel()
        return handle


def _owner(handle: asyncio.Handle) -> Process | None:
    return handle._context.get(_PROCESS)  # type: ignore[attr-defined,no-any-return]


def current_process() -> Process | None:
    return _PROCESS.get()


def spawn(process: Process, main: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
    """Start `main` as a task of `process`."""
    return asyncio.get_running_loop().create_task(main(), context=process.context)


def simulate(main: Coroutine[Any, Any, T], rng: Random | None = None) -> T:
    """Run `main` to its end in a fresh world that starts at time 0. An unhandled exception anywhere in it is raised."""
    loop = SimLoop(rng)
    try:
        result = loop.run_until_complete(main)
        _settle(loop)
        failures = [*loop.failures, *map(repr, loop.unretrieved())]
        assert not failures, "unhandled in the simulation:\n" + "\n".join(failures)
        return result
    finally:
        loop.bury()
        loop.close()


def _settle(loop: SimLoop) -> None:
    """Cancel what is still running in live processes, and let it end."""
    living = loop.living()
    for task in living:
        task.cancel()
    if living:
        loop.run_until_complete(asyncio.wait(living, timeout=60))
