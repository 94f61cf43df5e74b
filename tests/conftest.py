"""What every test may use: `--rewrite` for golden texts, and a broker of our own."""

from collections.abc import Iterator

import pytest

from tests.support import kafka
from tests.support.broker import Broker
from tests.support.calls import Calls
from tests.support.nodes import Node


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write what was printed into the golden files")
    parser.addoption("--kafka", action="store_true", help="let Apache Kafka be the broker of tests that take one")


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite"))


@pytest.fixture(scope="session")
def calls() -> Iterator[Calls]:
    """kcli, ready to be called many times."""
    with Calls() as ready:
        yield ready


@pytest.fixture(scope="session")
def broker_kind(request: pytest.FixtureRequest) -> type[Node]:
    return kafka.KafkaBroker if request.config.getoption("--kafka") else Broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, broker_kind: type[Node]) -> Iterator[Node]:
    """One broker process for all tests that only need one; each takes topics of its own."""
    with broker_kind(tmp_path_factory.mktemp("broker")) as running:
        yield running
