"""kcli prints what Apache Kafka's tools printed, call by call (tests/golden/records)."""

from pathlib import Path

import pytest

from tests.support import records
from tests.support.broker import Broker
from tests.support.calls import Calls
from tests.support.places import place_for

RECORDS = sorted(Path(__file__).with_name("records").glob("*.record"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_kcli_prints_what_kafka_prints(path: Path, calls: Calls, rewrite: bool) -> None:
    text = path.read_text()
    told, wrong = [], []
    with place_for(text, Broker) as place:
        for step, got in records.play(
            records.parse(text), place, lambda tool, args, stdin: calls.kcli([tool, *args], stdin, place.work)
        ):
            told.append(records.rewritten(step, got) if rewrite else step)
            if got and not rewrite and (problems := records.complaints(step, got)):
                wrong.append(f"kcli {step.words}: {'; '.join(problems)}\n{_beside(step, got)}")
    if rewrite:
        path.write_text(records.write(told))
    assert not wrong, f"{len(wrong)} of {len(told)} calls differ from {path.name}\n\n" + "\n".join(wrong)


def _beside(step: records.Step, got: records.Printed) -> str:
    recorded = step.ours or step.kafka
    assert recorded
    rows = []
    for name, printed in (("recorded", recorded), ("printed", got)):
        rows += [f"  {name}: exit {printed.exit}", *(f"    out|{line}" for line in printed.out.splitlines())]
        rows += [f"    err|{line}" for line in printed.err.splitlines()]
    return "\n".join(rows) + "\n"
