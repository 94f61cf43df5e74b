"""What a plan comes to, told before it is carried out."""

from kcli.model.layout import BrokerChange, Load, Preview
from kcli.plan.preview import preview
from tests.unit.kcli.plan.test_placing import text

LAYOUT = text("0:12 1:23", "1a 2b 3c", "0:100 1:50")


def test_loads_bytes_and_time() -> None:
    assert preview(LAYOUT, {("t", 0): (3, 2)}, throttle=30, disks={3: (1000, 600)}) == Preview(
        (
            BrokerChange(1, "a", Load(1, 1, 100), Load(0, 0, 0), 0, None),
            BrokerChange(2, "b", Load(2, 1, 150), Load(2, 1, 150), 0, None),
            BrokerChange(3, "c", Load(1, 0, 50), Load(2, 1, 150), 100, 500),
        ),
        1,
        1,
        100,
        4,
        (),
    )


def test_a_plan_of_nothing() -> None:
    told = preview(LAYOUT, {}, throttle=1)
    assert (told.partitions, told.replicas, told.size, told.seconds, told.warnings) == (0, 0, 0, 0, ())


def test_what_would_break_is_said() -> None:
    moves = {("t", 0): (1,), ("t", 1): (2, 1)}
    assert preview(LAYOUT, moves, min_isr={"t": 2}).warnings == (
        "t would have 1 replica(s), and its min.insync.replicas is 2: no producer with acks=all could write",
    )
    assert preview(LAYOUT, {("t", 1): (2, 1)}, min_isr={"t": 2}).warnings == (
        "t would have as many replicas as its min.insync.replicas, 2: "
        "each restart of a broker stops producers with acks=all",
    )
    assert preview(LAYOUT, {("t", 0): (3, 2)}, disks={3: (1000, 80)}).warnings == (
        "broker 3 has not enough room: 20 bytes are missing",
    )
    assert preview(LAYOUT, {("t", 0): (3, 2)}, disks={3: (1000, 110)}).warnings == (
        "broker 3 would have only 10 bytes left",
    )


def test_partitions_that_lose_a_rack_are_named() -> None:
    layout = text(" ".join(f"{index}:12" for index in range(7)), "1a 2b 3b")
    moves = {("t", index): (3, 2) for index in range(7)}
    assert preview(layout, moves).warnings == ("in fewer racks than now: t-0, t-1, t-2, t-3, t-4 and 2 more",)
