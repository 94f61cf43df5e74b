"""A failing seed tells a short story: what is wrong, who led, what came last."""

from tests.sim import story
from tests.support.history import Anomaly

TRACE = [
    "0.100000 node 1 leads epoch 0 from 0, hw 0",
    "0.200000 node1:9092->node2:4242 312 bytes",
    "0.250000 node1:9092->node2:4242 ends [Errno 104] Connection reset by peer",
    "0.300000 node 1 is killed at 7",
    "0.400000 node 2 leads epoch 1 from 5, hw 5",
    "0.900000 heal",
]


def failure(text: str) -> AssertionError:
    try:
        raise AssertionError(text)
    except AssertionError as error:
        return error


def test_a_story_ends_with_the_anomaly_and_leaves_out_the_traffic() -> None:
    anomaly = Anomaly("lost-write", "t-0", "'w.6', acknowledged or read at offset 6", 350_000_000)
    told = story.tell(7, "replica", failure(str(anomaly)), TRACE)
    assert told.splitlines()[:4] == [
        "seed 7 (replica): lost-write in t-0: 'w.6', acknowledged or read at offset 6 (at 0.350000 s)",
        "  the last of 2 events up to 0.350000 s:",
        "    0.100000 node 1 leads epoch 0 from 0, hw 0",
        "    0.300000 node 1 is killed at 7",
    ]
    assert told.splitlines()[-1] == "  again: python -m tests.sim --world replica --seed 7 --trace"


def test_a_long_story_says_who_led_and_stays_a_screenful() -> None:
    trace = [TRACE[0], *(f"{1 + at / 1000:.6f} node 3 is fenced" for at in range(500))]
    told = story.tell(7, "replica", failure("different-bytes: [1, 2]"), trace).splitlines()
    assert told[1:4] == ["  who led:", f"    {TRACE[0]}", "  the last of 501 events up to the end:"]
    assert len(told) < 50
