"""A short campaign: at least six kills of a real cluster under load, and no broken promise.

It is bounded by faults, not by time: on a slow machine it takes longer, and says as much.
"""

from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign, Plan

PLAN = Plan(kinds=("kill",), min_faults=7, min_records=2_000, downtime=0.4)
SEED = 4


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_kills_of_any_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Campaign(PLAN, tmp_path, SEED, print).run()
    story = f"seed {SEED}, in {tmp_path}\n{capsys.readouterr().out}"
    assert not report.anomalies, "\n".join([story, *map(str, report.anomalies[:10])])
    assert not report.void(PLAN), story
    assert sum(fault.kind == "kill" for fault in report.faults) >= 6, story
