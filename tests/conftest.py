"""What every test may use: `--rewrite` for golden texts, and a broker of our own."""

from collections.abc import Iterator

import pytest

from tests.support.broker import Broker
from tests.support.calls import Calls


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write what was printed into the golden files")


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite"))


@pytest.fixture(scope="session")
def calls() -> Iterator[Calls]:
    """kcli, ready to be called many times."""
    with Calls() as ready:
        yield ready


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker process for all tests that only need one; each takes topics of its own."""
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running
