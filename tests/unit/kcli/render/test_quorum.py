"""The quorum in Kafka's words and columns: shared/reference's record of three nodes, and what it has not."""

from kcli.model import ZERO_ID, Quorum, QuorumNode, Replica
from kcli.render import quorum as render

STATIC = Quorum(
    1,
    2,
    47,
    tuple(Replica(node, ZERO_ID, 49 + (node == 2), 1795174899000 + node, 1795174899000) for node in (0, 1, 2)),
    (),
    tuple(QuorumNode(node, (("CONTROLLER", "localhost", 29192 + node),)) for node in (0, 1, 2)),
)
ID = "JEXY6aqzQY-32P5TStzaFg"
DYNAMIC = Quorum(
    3,
    1,
    -1,
    (Replica(3, ID, 9, -1, -1),),
    (Replica(4, ID, 5, -1, -1),),
    (QuorumNode(3, (("C", "::1", 1), ("D", "h", 2))),),
)


def test_status_of_a_static_quorum() -> None:
    assert render.status(STATIC, "8oKgTfwXTvOPGWGdX6gbcQ", 0, 0) == (
        "ClusterId:              8oKgTfwXTvOPGWGdX6gbcQ\n"
        "LeaderId:               1\n"
        "LeaderEpoch:            2\n"
        "HighWatermark:          47\n"
        "MaxFollowerLag:         0\n"
        "MaxFollowerLagTimeMs:   0\n"
        'CurrentVoters:          [{"id": 0, "endpoints": ["CONTROLLER://localhost:29192"]}, '
        '{"id": 1, "endpoints": ["CONTROLLER://localhost:29193"]}, '
        '{"id": 2, "endpoints": ["CONTROLLER://localhost:29194"]}]\n'
        "CurrentObservers:       []\n"
    )


def test_a_dynamic_quorum_tells_directories_and_all_endpoints() -> None:
    assert render.status(DYNAMIC, None, 4, -1).splitlines()[-2:] == [
        f'CurrentVoters:          [{{"id": 3, "directoryId": "{ID}", "endpoints": ["C://[::1]:1", "D://h:2"]}}]',
        f'CurrentObservers:       [{{"id": 4, "directoryId": "{ID}"}}]',
    ]


def test_replication_begins_with_the_leader_and_ends_every_cell_with_a_tab() -> None:
    assert render.replication(STATIC, STATIC.voters[1], None) == (
        "NodeId\tDirectoryId           \tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus  \t\n"
        f"1     \t{ZERO_ID}\t49          \t0  \t1795174899001     \t1795174899000        \tLeader  \t\n"
        f"0     \t{ZERO_ID}\t49          \t0  \t1795174899000     \t1795174899000        \tFollower\t\n"
        f"2     \t{ZERO_ID}\t50          \t-1 \t1795174899002     \t1795174899000        \tFollower\t\n"
    )


def test_ages_are_for_people() -> None:
    rows = render.replication(DYNAMIC, DYNAMIC.voters[0], [(19, 371), (-1, -1)]).splitlines()
    assert [row.split("\t")[4:7] for row in rows[1:]] == [
        ["19 ms ago         ", "371 ms ago           ", "Leader  "],
        ["-1                ", "-1                   ", "Observer"],
    ]
