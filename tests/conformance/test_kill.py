"""kill -9 under load: nothing that was acknowledged is lost, doubled or moved."""

from pathlib import Path
from random import Random

from tests.support.clients import create_topic
from tests.support.nodes import Node
from tests.support.waiting import until
from tests.support.workload import Workload

KILLS, BETWEEN, PARTITIONS = 2, 2000, 3


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, broker_kind: type[Node]) -> None:
    rng = Random(3)
    with broker_kind(tmp_path, {"log.segment.bytes": "1048576"}) as node:
        topic = create_topic(node.bootstrap, partitions=PARTITIONS)
        load = Workload(node.bootstrap, topic, PARTITIONS, value_bytes=1000)
        load.start()
        try:
            for _ in range(KILLS):
                goal = load.acknowledged + BETWEEN + rng.randrange(BETWEEN)
                until(lambda goal=goal: load.acknowledged >= goal, 60, f"{goal} acknowledged records")  # type: ignore[misc]
                node.kill()
                node.start()
        finally:
            load.stop()
        assert load.judge() == []
        assert load.acknowledged >= KILLS * BETWEEN


def test_a_clean_stop_leaves_nothing_to_recover(tmp_path: Path, broker_kind: type[Node]) -> None:
    with broker_kind(tmp_path) as node:
        topic = create_topic(node.bootstrap, partitions=PARTITIONS)
        load = Workload(node.bootstrap, topic, PARTITIONS, value_bytes=1000)
        load.start()
        try:
            until(lambda: load.acknowledged >= BETWEEN, 60, "acknowledged records")
            node.stop()
            assert (node.data / ".kafka_cleanshutdown").exists()
            node.start()
        finally:
            load.stop()
        assert load.judge() == []
