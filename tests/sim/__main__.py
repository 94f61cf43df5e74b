"""python -m tests.sim: play many worlds (--seeds N), or one again with its trace (--seed S --trace).

Prints the seeds that fail, and how many records were acknowledged through how many crashes. Exit 1 if one failed.
"""

import argparse
import os
import sys
import traceback
from time import perf_counter

from tests.sim.world import Report, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many worlds")
    parser.add_argument("--seed", type=int, help="play this one only")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trace", action="store_true", help="print what happened, line by line")
    given = parser.parse_args()
    if (
        os.environ.get("PYTHONHASHSEED") != "0"
    ):  # a set of strings has an order of its own in each process, but for this
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    seeds = [given.seed] if given.seed is not None else range(given.first, given.first + given.seeds)
    failed: list[int] = []
    total = Report(-1)
    started = perf_counter()
    for seed in seeds:
        try:
            report = run(seed, trace=say if given.trace else lambda line: None)
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            failed.append(seed)
            say(f"seed {seed}: {''.join(traceback.format_exception(e)) if len(failed) < 4 else repr(e)[:300]}")
            continue
        total.acknowledged += report.acknowledged
        total.kills += report.kills
        total.power_cuts += report.power_cuts
        total.link_cuts += report.link_cuts
        total.disk_faults += report.disk_faults
    troubles = f"{total.kills} kills, {total.power_cuts} power cuts, {total.link_cuts} cut links"
    troubles += f", {total.disk_faults} disk faults"
    say(f"{len(seeds)} worlds in {perf_counter() - started:.1f} s: {total.acknowledged} acknowledged, {troubles}")
    say(f"failed seeds: {failed or 'none'}")
    return 1 if failed else 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
