"""Tables and plots of runs."""

from kcli.render import perf_tables as tables


def test_a_comparison() -> None:
    rows = [("records/s", 40182.4, 131029.0, 3.2608, 0.566, "faster"), ("latency max, ms", None, 0.125, None, None, "")]
    assert tables.comparison(rows, [("acks", "1", "all")], ["Mind the load."], ("a", "b")) == (
        "                      a        b    ratio     noise    second is\n"
        "records/s        40,182  131,029    3.26x  ± 56.6 %       faster\n"
        "latency max, ms       -     0.13        -         -\n"
        "\n"
        "What differs:\n"
        "        a    b\n"
        "acks    1  all\n"
        "\n"
        "Mind the load.\n"
    )


def test_a_plot_has_its_top_where_the_most_is() -> None:
    lines = tables.plot([0.0, 5.0, 10.0], "title", "MB/s").splitlines()
    assert lines[0] == "title"
    assert lines[1] == "     10.00 |  █"
    assert lines[7] == "      5.00 | ██"
    assert lines[12] == "           | ██"
    assert lines[13] == "      MB/s +---"


def test_a_plot_of_much_or_nothing_fits() -> None:
    assert max(map(len, tables.plot([float(n % 7) for n in range(1000)], "", "x").splitlines())) == 12 + tables.WIDTH
    assert tables.plot([], "nothing", "x").splitlines()[-1] == "         x +"
    assert tables.plot([0.0], "zero", "x").splitlines()[-1] == "         x +-"


def test_bars() -> None:
    assert (
        tables.bars({"p50": 1.0, "max": 2.0}, "Latency") == f"Latency\n  p50  {'█' * 30} 1.00\n  max  {'█' * 60} 2.00\n"
    )
    assert tables.bars({}, "none") == "none\n"
