"""kcli reassign drain, apply and rollback on four processes: clients and brokers that are killed in the middle."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import safe_moves
from tests.conformance.safe_moves import Moved
from tests.conformance.walking import SmallKafkaBroker
from tests.support.kafka import KafkaBroker
from tests.support.nodes import Node


@pytest.fixture
def cluster(tmp_path: Path, broker_kind: type[Node]) -> Iterator[Moved]:
    with Moved(tmp_path, SmallKafkaBroker if broker_kind is KafkaBroker else broker_kind) as made:
        made.fill()
        yield made


def test_a_broker_is_emptied_by_clients_that_are_killed_and_stopped(cluster: Moved) -> None:
    safe_moves.emptied(cluster)


def test_it_stops_when_a_broker_dies_under_others(cluster: Moved) -> None:
    safe_moves.stopped(cluster)
