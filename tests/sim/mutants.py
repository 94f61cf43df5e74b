"""Planted bugs: one-line mutations of the production code, each of which the simulator must catch.

    python -m tests.sim.mutants                  # all: the table says which seed catches which, and with which anomaly
    python -m tests.sim.mutants NAME ...         # these
    python -m tests.sim.mutants --seeds 50       # at most so many seeds each

A mutant is `old` replaced by `new` in `file`, for one process only: the file on disk stays as it is. An `old` that does
not occur exactly once is an error, so that the list keeps up with the code. A mutant that no seed of its world notices
is a hole in that world, or in the checker. A seed that the code as it is does not pass either catches nobody. Exit 1 if
one survived.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from types import CodeType, ModuleType
from typing import NamedTuple

from tests.sim.planted import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
SEEDS = 400
PROCESSES = 2
SECONDS = 400


class Verdict(NamedTuple):
    """seed: the first that noticed; None: nobody did. seeds: how many were played."""

    name: str
    seed: int | None
    anomaly: str
    seeds: int
    seconds: float


class Unplantable(Exception):
    """The code is not as the mutant expects it."""


def mutated(mutant: Mutant) -> str:
    """The text of the file with the bug in it. Raises Unplantable."""
    text = (ROOT / mutant.file).read_text()
    if text.count(mutant.old) != 1:
        raise Unplantable(f"{mutant.name}: {mutant.file} holds {mutant.old!r} {text.count(mutant.old)} times, not once")
    return text.replace(mutant.old, mutant.new)


class _Planter(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds one module, and compiles it from a text of its own."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = mutant.file.removesuffix(".py").replace("/", ".")
        self._path, self._text = str(ROOT / mutant.file), mutated(mutant)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=self._path)

    def get_source(self, fullname: str) -> str:
        return self._text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self._path, "exec")


def hunt(mutant: Mutant, seeds: int) -> Verdict:
    """Plant the bug in this process, which must not have imported the module yet, and play until a seed notices."""
    module = mutant.file.removesuffix(".py").replace("/", ".")
    assert module not in sys.modules, f"{module} is imported already"
    sys.meta_path.insert(0, _Planter(mutant))
    from tests.sim.worlds import play

    logging.disable(logging.WARNING)
    started = perf_counter()
    for count, seed in enumerate([mutant.seed, *range(seeds)], 1):
        try:
            play(seed, mutant.world)
        except Exception as error:
            return Verdict(mutant.name, seed, _line(error), count, perf_counter() - started)
    return Verdict(mutant.name, None, "", seeds, perf_counter() - started)


def _line(error: Exception) -> str:
    """What went wrong, on one line; below a heading it is the first thing that counts."""
    text = str(error).strip().splitlines() or [repr(error)]
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return kind + " ".join(text[: 2 if text[0].endswith(":") else 1])


def hunt_apart(mutant: Mutant, seeds: int = SEEDS) -> Verdict:
    """The same in a process of its own."""
    started = perf_counter()
    command = [sys.executable, "-m", "tests.sim.mutants", "--apart", mutant.name, "--seeds", str(seeds)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Verdict(mutant.name, None, f"nobody within {SECONDS} s", seeds, perf_counter() - started)
    if done.returncode:
        raise Unplantable(f"{mutant.name}: {done.stderr[-2000:]}")
    return Verdict(*json.loads(done.stdout.splitlines()[-1]))


def _doubted(mutant: Mutant, verdict: Verdict) -> Verdict:
    """A verdict, unless the code as it is fails by that seed as well."""
    from tests.sim.worlds import play

    logging.disable(logging.WARNING)
    if verdict.seed is None:
        return verdict
    try:
        play(verdict.seed, mutant.world)
    except Exception as error:
        return verdict._replace(seed=None, anomaly=f"for seed {verdict.seed} fails without it: {_line(error)}")
    return verdict


def rows(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield f"{'mutant':<35} {'world':<11} {'seed':>5}  anomaly"
    worlds = {mutant.name: mutant.world for mutant in MUTANTS}
    for verdict in verdicts:
        seed = "-" if verdict.seed is None else str(verdict.seed)
        what = verdict.anomaly if verdict.seed is not None else f"SURVIVED {verdict.seeds} seeds {verdict.anomaly}"
        yield f"{verdict.name:<35} {worlds[verdict.name]:<11} {seed:>5}  {what[:110]}"


@dataclass(frozen=True)
class _Given:
    names: list[str]
    seeds: int
    apart: str | None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="these only")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="at most so many for each")
    parser.add_argument("--apart", help=argparse.SUPPRESS)
    given = _Given(**vars(parser.parse_args()))
    known = {mutant.name: mutant for mutant in MUTANTS}
    if given.apart:
        sys.stdout.write(json.dumps(hunt(known[given.apart], given.seeds)) + "\n")
        return 0
    unknown = [name for name in given.names if name not in known]
    if unknown:
        parser.error(f"no mutant is called {unknown[0]}; they are {', '.join(known)}")
    chosen = [known[name] for name in given.names] or list(MUTANTS)
    for mutant in chosen:
        mutated(mutant)
    started = perf_counter()
    with ThreadPoolExecutor(PROCESSES) as pool:
        verdicts = list(pool.map(partial(hunt_apart, seeds=given.seeds), chosen))
    verdicts = [_doubted(known[verdict.name], verdict) for verdict in verdicts]
    survivors = [verdict.name for verdict in verdicts if verdict.seed is None]
    for row in rows(verdicts):
        sys.stdout.write(row + "\n")
    caught = len(verdicts) - len(survivors)
    sys.stdout.write(f"{caught} of {len(verdicts)} caught in {perf_counter() - started:.0f} s\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
