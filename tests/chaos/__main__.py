"""python -m tests.chaos: torment a real cluster under load, and judge its clients' histories and its files.

Exit 0: no anomaly. Exit 1: anomalies, printed; the histories and the nodes' folders are kept. Exit 2: void, because too
few faults or records came to pass to say anything. Gaps are printed beside what is allowed; `--strict` fails for them.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

from tests.chaos import gaps
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.faults import KINDS, Kind


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--controllers", type=int, default=0, help="nodes of their own; 0: brokers are controllers too")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--faults", type=_kinds, default=Plan.kinds, help=f"of {','.join(KINDS)}")
    parser.add_argument("--keep", action="store_true", help="keep the folders of a run without anomalies too")
    parser.add_argument("--strict", action="store_true", help="gaps that are too long count as anomalies")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else Random().randrange(1 << 30)
    plan = Plan(given.seconds, given.brokers, given.controllers, given.faults)
    shape = f"{plan.brokers} combined nodes" if not plan.controllers else f"{plan.brokers}+{plan.controllers} nodes"
    say(f"seed {seed}, {plan.seconds:g} s, {shape}, {','.join(plan.kinds)}")
    folder = Path(tempfile.mkdtemp(prefix="kcli-chaos-"))
    campaign = Campaign(plan, folder, seed, say)
    try:
        report = campaign.run()
    except (AssertionError, TimeoutError) as e:
        say(f"{e}\nkept in {folder}")
        return 1
    say(f"{len(report.faults)} faults, {report.acknowledged} acknowledged, {len(report.anomalies)} anomalies")
    say("longest acknowledgement gap, by fault:")
    for line in gaps.table(report.gaps):
        say(line)
    say(f"  slowest admin operation {report.slowest_admin_s:.2f} s")
    for name, count in Counter(anomaly.name for anomaly in report.anomalies).most_common():
        say(f"  {count} x {name}")
    for anomaly in report.anomalies[:20]:
        say(f"  {anomaly}")
    if report.anomalies or (given.strict and gaps.over(report.gaps)):
        say(f"kept in {folder}")
        return 1
    if given.keep:
        say(f"kept in {folder}")
    else:
        shutil.rmtree(folder)
    if void := report.void(plan):
        say(f"void: {void}")
        return 2
    return 0


def _kinds(text: str) -> tuple[Kind, ...]:
    words = text.split(",")
    if unknown := [word for word in words if word not in KINDS]:
        raise argparse.ArgumentTypeError(f"unknown: {','.join(unknown)}; there are {','.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in words)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
