"""python -m tests.sim: play many worlds (--seeds N), or one again with its whole trace (--seed S --trace).

A seed says which world is played (tests/sim/worlds.py); --world plays one kind only. Each seed that fails is told as a
short story. At the end: what happened in all of them, and how fast. Exit 1 if one failed.
"""

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from time import perf_counter
from typing import NamedTuple

from tests.sim import story
from tests.sim.tally import Tally
from tests.sim.worlds import KINDS, kind_of, play

CHUNK = 5  # seeds that a process takes at a time
STORIES = 5  # that are told in full


class Played(NamedTuple):
    """One seed: what happened in its world, or the story of how it failed."""

    seed: int
    kind: str
    tally: Tally
    failure: str = ""


def played(seed: int, kind: str | None) -> Played:
    chosen = kind or kind_of(seed)
    logging.disable(logging.WARNING)  # errors are for the worlds to judge
    try:
        return Played(seed, chosen, play(seed, chosen))
    except Exception as error:
        lines: list[str] = []
        again: Exception = error
        try:
            play(seed, chosen, lines.append)
            lines.append("played again, it did not fail: something outlives its world")
        except Exception as e:
            again = e
        return Played(seed, chosen, Tally(), story.tell(seed, chosen, again, lines))


def every(seeds: range, kind: str | None, jobs: int) -> Iterator[Played]:
    if jobs == 1 or len(seeds) == 1:
        yield from (played(seed, kind) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(partial(played, kind=kind), seeds, chunksize=CHUNK)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many worlds")
    parser.add_argument("--seed", type=int, help="play this one only")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--world", choices=KINDS, help="one kind of world only; default what each seed says")
    parser.add_argument("--trace", action="store_true", help="print what happens, line by line")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args()
    if given.trace and given.seed is not None:
        return traced(given.seed, given.world)
    seeds = range(given.first, given.first + given.seeds) if given.seed is None else range(given.seed, given.seed + 1)
    started, total, kinds, failed = perf_counter(), Tally(0), dict.fromkeys(KINDS, 0), list[Played]()
    for one in every(seeds, given.world, given.jobs):
        total += one.tally
        kinds[one.kind] += 1
        if one.failure:
            failed.append(one)
            say(one.failure if len(failed) <= STORIES else one.failure.splitlines()[0])
    seconds = perf_counter() - started
    say(f"{total}")
    say(f"{', '.join(f'{count} {kind}' for kind, count in kinds.items() if count)}")
    say(f"{seconds:.1f} s, {len(seeds) / seconds:.1f} seeds/s with {given.jobs} processes")
    say(f"failed seeds: {', '.join(f'{one.seed} ({one.kind})' for one in failed) or 'none'}")
    return 1 if failed else 0


def traced(seed: int, kind: str | None) -> int:
    """Play one world and say everything."""
    try:
        say(str(play(seed, kind, say)))
    except Exception as error:
        say("".join(traceback.format_exception(error)))
        return 1
    return 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
