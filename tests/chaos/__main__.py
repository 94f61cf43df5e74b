"""python -m tests.chaos: kill, stop and pause a real broker again and again under load, and judge its clients' history.

Exit 0: no anomaly. Exit 1: anomalies, printed; the events and the broker's folder are kept. Exit 2: void, because too
few faults or records came to pass to say anything.
"""

import argparse
import signal
import sys
import tempfile
import threading
from pathlib import Path
from random import Random
from time import monotonic

from tests.support.broker import Broker
from tests.support.clients import create_topic
from tests.support.nodes import Node
from tests.support.workload import Workload

PARTITIONS = 12
FAULTS_A_MINUTE, RECORDS_A_SECOND = 6, 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else Random().randrange(1 << 30)
    say(f"seed {seed}, {given.seconds:g} s")
    folder = Path(tempfile.mkdtemp(prefix="kcli-chaos-"))
    with Broker(folder, {"log.segment.bytes": "1048576"}) as node:
        topic = create_topic(node.bootstrap, partitions=PARTITIONS)
        load = Workload(node.bootstrap, topic, PARTITIONS, producers=3, value_bytes=500)
        load.start()
        try:
            faults = torment(node, Random(seed), given.seconds)
        finally:
            load.stop()
        anomalies = load.judge()
    say(f"{faults} faults, {load.acknowledged} acknowledged records, {len(anomalies)} anomalies")
    for anomaly in anomalies[:20]:
        say(f"  {anomaly}")
    if anomalies:
        (folder / "history.jsonl").write_text("".join(event.json() + "\n" for event in load.events))
        say(f"kept in {folder}")
        return 1
    if faults < FAULTS_A_MINUTE * given.seconds / 60 - 1 or load.acknowledged < RECORDS_A_SECOND * given.seconds:
        say("void: too few faults or records")
        return 2
    return 0


def torment(node: Node, rng: Random, seconds: float) -> int:
    """Kill or stop and start again, or pause, at random times. Returns how often."""
    never, deadline, faults = threading.Event(), monotonic() + seconds, 0
    while monotonic() < deadline:
        never.wait(rng.uniform(0.5, 4))
        faults += 1
        draw = rng.random()
        if draw < 0.8:
            (node.kill if draw < 0.6 else node.stop)()
            never.wait(rng.choice([0, 0, rng.uniform(0, 2)]))
            node.start()
        else:
            assert node.process
            node.process.send_signal(signal.SIGSTOP)
            never.wait(rng.uniform(0.1, 3))
            node.process.send_signal(signal.SIGCONT)
    return faults


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
