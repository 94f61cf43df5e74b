"""What a run is written down as."""

import pytest

from kcli.model.measures import Latencies
from kcli.perf import results


def test_secrets_are_hidden() -> None:
    texts = {"sasl.jaas.config": "x", "ssl.key.password": "x", "acks": "1"}
    assert results.settings(texts) == {"acks": "1", "sasl.jaas.config": "(hidden)", "ssl.key.password": "(hidden)"}


def test_latencies_of_nothing_are_null() -> None:
    assert set(results.latency(Latencies()).values()) == {None}


def test_the_histogram_is_one_for_the_tools_of_hdrhistogram() -> None:
    library = pytest.importorskip("hdrh.histogram")
    read = library.HdrHistogram.decode(results.histogram(Latencies({1_500: 10, 200_000: 3}.items()))["hdr"])
    assert (read.get_total_count(), round(read.get_value_at_percentile(99), -3)) == (13, 200_000)
