"""The commands beside the flags of Kafka's tool, each imported when it is used: they take a tenth of a start."""

import importlib
from collections.abc import Iterator, Mapping

import click

MODULES = {
    "drain": "drain",
    "set-rf": "set_rf",
    "balance": "balance",
    "place": "place",
    "apply": "apply",
    "history": "past",
    "rollback": "past",
    "unthrottle": "past",
}


class Parts(Mapping[str, click.Command]):
    """The commands by name."""

    def __getitem__(self, name: str) -> click.Command:
        module = importlib.import_module(f"kcli.commands.reassign_partitions.{MODULES[name]}")
        found: click.Command = getattr(module, name.replace("-", "_"))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


PARTS = Parts()
