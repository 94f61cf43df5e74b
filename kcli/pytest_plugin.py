"""The pytest plugin: `kcli_cluster` makes a real Kafka cluster for a test, and takes it away afterwards.

    def test_my_code(kcli_cluster):
        cluster = kcli_cluster(brokers=3)
        ...
        cluster.kill(0)

pytest loads this module in every run of everybody who has kcli installed: what makes clusters is imported when the
first one is asked for.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kcli.testing import Cluster


def _factory(folders: pytest.TempPathFactory) -> Iterator[Callable[..., "Cluster"]]:
    with ExitStack() as stack:

        def make(**wanted: object) -> "Cluster":
            from kcli.testing import Cluster

            return stack.enter_context(Cluster(folders.mktemp("kcli-cluster"), **wanted))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def kcli_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., "Cluster"]]:
    """Make clusters for this test: `kcli_cluster(brokers=3, config={...})` gives a kcli.testing.Cluster.

    All processes of them end with the test, whether it passes or not.
    """
    yield from _factory(tmp_path_factory)


@pytest.fixture(scope="session")
def kcli_session_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., "Cluster"]]:
    """The same for clusters that live until the end of the run: for fixtures of your own of a wider scope."""
    yield from _factory(tmp_path_factory)
