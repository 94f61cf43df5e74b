"""Bytes per second as an option has them."""

import click

from kcli.plan import throttles


class Rate(click.ParamType[int]):
    """A number of bytes as Kafka has it, or one with a unit: 50MB, 1GiB/s."""

    name = "rate"
    advice = "Write 50000000, 50MB or 1GiB/s."

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return throttles.rate(str(value))
        except ValueError:
            self.fail(self.advice, param, ctx)


RATE = Rate()
