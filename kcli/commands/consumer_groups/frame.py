"""What the actions share: which groups are meant, whether a person looks on, and how a refusal is told."""

import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from kcli import client, options
from kcli.client import Admin
from kcli.errors import Failure, Refused, Setup, exception_class
from kcli.model.groups import Committed, Group
from kcli.model.moves import TopicPartition
from kcli.plan import groups as plan

TIMEOUT_MS = 30_000
Body = Callable[..., Any]


def connected(body: Body) -> Body:
    """Add --timeout and the options of the connection; the body gets an open Admin as `admin`."""

    def framed(timeout: int, **rest: Any) -> Any:
        config, properties = rest.pop("command_config"), rest.pop("command_property")
        made = options.connect_to(rest.pop("bootstrap_server"), config, properties)
        if timeout <= 0:
            raise Failure(f"Option timeout has to be more than 0, not {timeout}")
        limits = {"request.timeout.ms": str(timeout), "default.api.timeout.ms": str(timeout)}
        with (click.get_current_context().obj or client.connect)(
            made._replace(settings={**limits, **made.settings})
        ) as admin:
            return in_kafkas_words(body)(admin=admin, **rest)

    functools.update_wrapper(framed, body)
    for add in (
        click.option("--command-property", metavar="KEY=VALUE", multiple=True, help="One client property; repeatable."),
        click.option(
            "--command-config", metavar="FILE", help="Client properties file (security.protocol=... and so on)."
        ),
        click.option("--bootstrap-server", metavar="HOST:PORT,...", help=options.BOOTSTRAP_HELP),
        click.option(
            "--timeout",
            type=options.LONG,
            default=TIMEOUT_MS,
            metavar="MS",
            help=f"How long a call may take. Default: {TIMEOUT_MS}.",
        ),
    ):
        framed = add(framed)
    return framed


def in_kafkas_words(body: Body) -> Body:
    """Tell a refusal as Kafka's tool does: with the exception's class."""

    @functools.wraps(body)
    def framed(**given: Any) -> Any:
        try:
            return body(**given)
        except Refused as no:
            raise Failure(f"{exception_class(no.code)}: {no.message}", no.advice) from no

    return framed


def chosen(admin: Admin, groups: Sequence[str], *, all_groups: bool) -> tuple[str, ...]:
    """The groups of --group, or all groups of consumers; by name, each once."""
    if all_groups:
        return tuple(one.id for one in plan.of_consumers(admin.list_groups()))
    return tuple(sorted(set(groups)))


def described(admin: Admin, groups: Sequence[str]) -> Mapping[str, Group]:
    """Groups that have to be there. Raises Refused."""
    answers = admin.describe_groups(groups)
    found = {}
    for name in groups:
        answer = answers[name]
        if isinstance(answer, Refused):
            raise answer
        found[name] = answer
    return found


def committed(admin: Admin, groups: Sequence[str]) -> Mapping[str, Mapping[TopicPartition, Committed]]:
    """What groups have committed. Raises Refused."""
    answers = admin.list_group_offsets(groups)
    found = {}
    for name in groups:
        answer = answers[name]
        if isinstance(answer, Refused):
            raise answer
        found[name] = answer
    return found


def person_looks_on() -> bool:
    """Whether somebody sits at a terminal: then plans are shown, and asked about. A script's run must not stop."""
    return sys.stdin.isatty() and click.get_current_context().params.get("output", "text") == "text"


def confirm(lines: Iterable[str], question: str, *, yes: bool) -> None:
    """Show what would be done, and ask; only at a terminal. Raises Setup: the answer is no."""
    if not person_looks_on():
        return
    for line in lines:
        click.echo(line, err=True)
    if not yes and not click.confirm(question, err=True):
        raise Setup("Nothing was changed.")
