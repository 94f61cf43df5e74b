"""Which topics must be there at the end, and which must not."""

import pytest

from tests.chaos.administrator import AdminEvent, Kind, Operation, check

Step = tuple[Operation, Kind]


@pytest.mark.parametrize(
    ("steps", "exists", "found"),
    [
        ([("create", "ok")], True, []),
        ([("create", "ok")], False, ["lost-topic"]),
        ([("create", "info")], True, []),
        ([("create", "info")], False, []),
        ([("create", "fail")], True, ["aborted-topic"]),
        ([("create", "ok"), ("delete", "ok")], True, ["undead-topic"]),
        ([("create", "ok"), ("delete", "ok")], False, []),
        ([("create", "ok"), ("delete", "info")], False, []),
        ([("create", "ok"), ("delete", "info")], True, []),
        ([], True, ["unwritten-topic"]),
    ],
)
def test_topics_are_held_against_what_was_acknowledged(steps: list[Step], exists: bool, found: list[str]) -> None:
    events = [AdminEvent(kind, operation, 0, "made-1") for operation, last in steps for kind in ("invoke", last)]
    assert [each.name for each in check(events, ["made-1"] if exists else [])] == found
