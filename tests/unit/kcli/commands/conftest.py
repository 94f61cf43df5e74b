"""Fixtures of the console tools' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.calls import Calls
from tests.support.consoles import Kcli
from tests.support.log_broker import LogCluster


@pytest.fixture
def cluster() -> Iterator[LogCluster]:
    with LogCluster({"t": 1, "two": 2}, nodes=2) as made:
        yield made


@pytest.fixture
def kcli(calls: Calls, cluster: LogCluster, tmp_path: Path) -> Kcli:
    return Kcli(calls, cluster, tmp_path)
