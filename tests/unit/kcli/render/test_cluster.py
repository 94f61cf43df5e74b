"""Local clusters in words and columns; list-endpoints as shared/reference's record has it."""

import pytest

from kcli.model import Broker, LocalNode
from kcli.render import cluster as render

NODE = LocalNode(0, ("broker", "controller"), 9092, 19092)
BESIDE = LocalNode(1, ("broker",), 9093, None)
ROWS = [
    render.Row(NODE, "running", "/c/node-0", 29486, 33 << 20, 343_000, 3, 1, active=True),
    render.Row(BESIDE, "stopped", "/c/node-1"),
]


def test_status_is_a_table_with_dashes_for_what_there_is_not() -> None:
    told = render.status(ROWS, "/c", "localhost:9092", render.summary(0, 4, 1, 0, 1))
    assert [line.split() for line in told.splitlines()] == [
        [
            *("NODE", "ROLES", "STATE", "PID", "PORT", "CONTROLLER", "RSS", "UPTIME"),
            *("LEADERS", "UNDER-REPLICATED"),
        ],
        ["0*", "broker,controller", "running", "29486", "9092", "19092", "33", "MB", "5", "min", "43", "s", "3", "1"],
        ["1", "broker", "stopped", "-", "9093", "-", "-", "-", "-", "-"],
        [],
        ["*", "active", "controller:", "0;", "partitions", "4,", "under-replicated", "1,", "without", "leader", "0"],
        ["brokers", "localhost:9092,", "files", "/c"],
    ]


@pytest.mark.parametrize(
    ("active", "partitions", "running", "words"),
    [
        (None, None, 0, "No node runs: kcli cluster up starts them.\n"),
        (None, None, 2, "no active controller is known; no broker tells about partitions\n"),
        (
            None,
            4,
            2,
            "no active controller is known; partitions 4, under-replicated 1, without leader 2\n",
        ),
    ],
)
def test_what_is_not_known_of_a_cluster_is_said(
    active: int | None, partitions: int | None, running: int, words: str
) -> None:
    assert render.summary(active, partitions, 1, 2, running) == words


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min 0 s"),
        (3_599_000, "59 min 59 s"),
        (3_600_000, "1 h 0 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_durations_have_their_two_largest_units(ms: int, words: str) -> None:
    assert render.duration(ms) == words


def test_up_says_how_to_reach_a_cluster_that_is_not_the_default() -> None:
    told = render.up("/c", "localhost:9092", "The cluster is up: 1 node.", where="", default=True)
    assert "export" not in told
    told = render.up("/c", "localhost:1", "The cluster is up: 1 node.", where=" --dir /c", default=False)
    assert "  use it   export KCLI_BOOTSTRAP_SERVER=localhost:1\n" in told
    assert told.endswith("  stop     kcli cluster down --dir /c\n")


def test_brokers_have_a_state_and_controllers_none() -> None:
    nodes = [Broker(0, "localhost", 29092), Broker(2, "localhost", 29094, "r1", fenced=True)]
    assert render.endpoints(nodes, controllers=False) == (
        "ID         HOST      PORT       RACK       STATE      ENDPOINT_TYPE  \n"
        "0          localhost 29092      null       unfenced   broker         \n"
        "2          localhost 29094      r1         fenced     broker         \n"
    )
    assert render.endpoints(nodes[:1], controllers=True) == (
        "ID         HOST      PORT       RACK       ENDPOINT_TYPE  \n"
        "0          localhost 29092      null       controller     \n"
    )
