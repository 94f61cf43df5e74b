"""The manners of Kafka's command lines, for click commands.

They are those of jopt-simple as Kafka's tools use it: a long option may have one dash or two; `--name value` and
`--name=value` are the same; what follows an option that needs a value is the value, even when it begins with a dash;
a flag may be repeated, an option with one value may not. Beyond Kafka: an action may be a plain word (`topics create`),
and any other stray word is refused, where Kafka ignores it. Help is printed on standard output with exit code 0 and
teaches by example, where most Kafka tools print it on standard error with exit code 1.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from kcli import KAFKA_VERSION
from kcli.errors import Failure, Setup, Usage

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

ZOOKEEPER = "ZooKeeper is gone since Kafka 4.0. Name the brokers instead: --bootstrap-server HOST:PORT."


class Given:
    """The options of one command line as they were typed: what usage rules look at, before any value is read."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}

    def add(self, name: str, value: str) -> None:
        self._values.setdefault(name, []).append(value)

    def has(self, name: str) -> bool:
        """Whether --`name` was given."""
        return name in self._values

    def values(self, name: str) -> list[str]:
        """The values of --`name`, in their order."""
        return self._values.get(name, [])

    def forget(self, name: str) -> None:
        """Take --`name` as if it had not been typed yet."""
        self._values.pop(name, None)

    def names(self) -> tuple[str, ...]:
        """What was given, in the order in which it was typed first."""
        return tuple(self._values)

    def need(self, *names: str) -> None:
        """Raise Usage for the first of `names` that was not given."""
        for name in names:
            if not self.has(name):
                raise Usage(f'Missing required argument "[{name}]"')

    def forbid(self, name: str, *others: str) -> None:
        """Raise Usage for the first of `others` that was given together with `name`."""
        for other in others:
            if self.has(name) and self.has(other):
                raise Usage(f'Option "[{name}]" can\'t be used with option "[{other}]"')


class OptionalValue(click.Option):
    """An option that may stand without its value: `bare` is the value then."""

    def __init__(self, *args: Any, bare: str, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.bare = bare


def _integer(bits: int) -> Callable[[str | int], int]:
    """Make a reader of numbers as Java reads them: ASCII digits, one sign, a width."""
    limit = 1 << (bits - 1)

    def number(value: str | int) -> int:
        text = str(value)  # click has defaults converted, too
        digits = text[1:] if text[:1] in ("+", "-") else text
        if not (digits.isascii() and digits.isdigit() and -limit <= int(text) < limit):
            raise ValueError(text)
        return int(text)

    return number


INT, LONG = _integer(32), _integer(64)


class Manners(click.Command):
    """Kafka's manners, for a command (`Tool`) or a group of them (`Tools`).

    actions        flags of which exactly one must be given; the body gets its name as `action`
    joint          what stands before the last action, where Kafka's tool lists them
    check          usage rules: raises Usage; runs before values are converted
    envelope       what Kafka's tool says before a failure's message; such failures go to standard output
    examples       lines of the help
    purpose        what Kafka's tool says of itself where it is called with nothing
    abbreviations  any unambiguous beginning of an option will do (the tools that use argparse4j)
    """

    def __init__(
        self,
        *args: Any,
        actions: Mapping[str, str] | None = None,
        joint: str = " or ",
        check: Callable[[Given], None] | None = None,
        envelope: str | None = None,
        examples: str = "",
        purpose: str | None = None,
        abbreviations: bool = False,
        **rest: Any,
    ) -> None:
        self.actions, self.check, self.envelope = dict(actions or {}), check, envelope
        self.joint = joint
        self.examples, self.purpose, self.abbreviations = examples, purpose, abbreviations
        super().__init__(*args, **rest)
        flags = [click.Option([f"--{name}"], is_flag=True, help=text) for name, text in self.actions.items()]
        self.params[:0] = flags
        self.params += [_version_option(), _debug_option()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # a shell asks for completion: the line is not finished
            return super().parse_args(ctx, args)
        given = Given()
        try:
            if self.purpose and not args:
                raise Usage(self.purpose)
            plain = self._read(ctx, args, given)
            if given.has("help"):
                plain = ["--help"]
            elif not given.has("version"):
                self._check(given)
            try:
                rest = super().parse_args(ctx, plain)
            except click.BadParameter as error:
                raise self._unreadable(error, given) from error
        except Usage as usage:
            usage.advice = usage.advice or f"Try '{ctx.command_path} --help'."
            raise
        except Failure as failure:
            raise self._framed(failure, (given.values("output") or ["text"])[-1]) from failure
        if self.actions:
            chosen = [name for name in self.actions if ctx.params.pop(name.replace("-", "_"), False)]
            ctx.params["action"] = chosen[0] if chosen else None
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Usage as usage:
            usage.advice = usage.advice or f"Try '{ctx.command_path} --help'."
            raise
        except Failure as failure:
            raise self._framed(failure, ctx.params.get("output", "text")) from failure

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem  # only when a shell asks

        found = super().shell_complete(ctx, incomplete)
        if any(ctx.params.get(name) for name in self.actions):
            return found
        return [
            CompletionItem(name, help=text) for name, text in self.actions.items() if name.startswith(incomplete)
        ] + found

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.strip().splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line.strip()}\n")

    def _check(self, given: Given) -> None:
        if self.actions and sum(given.has(name) for name in self.actions) != 1:
            flags = [f"--{name}" for name in self.actions]
            told = ", ".join(flags[:-1]) + f"{self.joint}{flags[-1]}" if flags[1:] else flags[0]
            raise Usage(f"Command must include exactly one action: {told}")
        if self.check:
            self.check(given)

    def _framed(self, failure: Failure, output: str) -> Failure:
        if self.envelope and failure.framed:
            failure.message = f"{self.envelope}{failure.message}"
            failure.stdout = output == "text"
            failure.framed = False
        return failure

    def _read(self, ctx: click.Context, args: Sequence[str], given: Given) -> list[str]:
        """Rewrite `args` as click reads them without doubt: `--name=value`, `--flag`, then the plain words."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        table = {spelling: option for option in options for spelling in _spellings(option)}
        plain, words, rest = list[str](), list[str](), list(args)
        while rest:
            token = rest.pop(0)
            if token == "--":
                words += rest
                break
            if token.startswith("-") and token != "-":
                plain.append(self._take(self._option(table, token), token, rest, given))
            elif isinstance(self, click.Group):
                return [*plain, token, *rest]
            elif token in self.actions:
                given.add(token, "")
                plain.append(f"--{token}")
            else:
                words.append(token)
        if words and not any(isinstance(param, click.Argument) for param in self.params):
            raise Usage(f"'{words[0]}' is not understood here", _advice(words[0], self.actions, ctx.command_path))
        return [*plain, "--", *words] if words else plain

    def _option(self, table: Mapping[str, click.Option], token: str) -> click.Option:
        spelled = token.partition("=")[0]
        if spelled in table:
            return table[spelled]
        if self.abbreviations:
            found = {id(option): option for name, option in table.items() if name.startswith(spelled)}
            if len(found) == 1:
                return found.popitem()[1]
        name = spelled.lstrip("-")
        advice = ZOOKEEPER if name == "zookeeper" else _advice(f"--{name}", table, "")
        raise Usage(f"{name} is not a recognized option", advice)

    def _take(self, option: click.Option, token: str, rest: list[str], given: Given) -> str:
        return take(option, token, rest, given)

    def _unreadable(self, error: click.BadParameter, given: Given) -> Failure:
        if not isinstance(error.param, click.Option) or isinstance(error, click.MissingParameter):
            return Usage(error.format_message())
        name = long_name(error.param)
        told = f"Cannot parse argument '{given.values(name)[-1]}' of option {name}"
        if isinstance(error.param.type, click.Choice):
            return Setup(told, f"Choose from {', '.join(map(str, error.param.type.choices))}.")
        if isinstance(error.param.type, click.IntRange | click.FloatRange):
            return Setup(told, error.message)
        return Failure(told)


class Tool(Manners):
    """One command with Kafka's manners."""


class Parted(Tool):
    """A tool of Kafka's with commands of kcli's own beside its flags: `reassign rollback` beside `reassign --list`.

    parts  these commands by name; the first word of the line decides
    """

    def __init__(self, *args: Any, parts: Mapping[str, click.Command], **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.parts = parts  # a mapping may import them one by one

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        part = self.parts.get(args[0]) if args else None
        if part is None:
            return super().make_context(info_name, args, parent, **extra)
        return part.make_context(f"{info_name} {args.pop(0)}", args, parent, **extra)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem  # only when a shell asks

        found = super().shell_complete(ctx, incomplete)
        if any(ctx.params.get(name) for name in self.actions):
            return found
        return found + [
            CompletionItem(name, help=part.get_short_help_str())
            for name, part in self.parts.items()
            if name.startswith(incomplete)
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(name, part.get_short_help_str(80)) for name, part in self.parts.items()])


class Tools(Manners, click.Group):
    """A command whose actions are commands of their own (`storage format`)."""

    command_class = Tool


def _spellings(option: click.Option) -> list[str]:
    spellings = [*option.opts, *option.secondary_opts]
    return spellings + [name[1:] for name in spellings if name.startswith("--")]


def long_name(option: click.Option) -> str:
    return max(option.opts, key=len).lstrip("-")


def take(option: click.Option, token: str, rest: list[str], given: Given) -> str:
    """Take the option's value from `token` or from the front of `rest`; return both in click's plain spelling."""
    name, (_, equals, value) = long_name(option), token.partition("=")
    if option.is_flag or option.count:
        given.add(name, "")
        negative = [spelling for spelling in option.secondary_opts if spelling.lstrip("-") == token.lstrip("-")]
        return negative[0] if negative else f"--{name}"
    if isinstance(option, OptionalValue) and not equals:
        follows = rest and (not rest[0].startswith("-") or rest[0][1:].isdigit())  # a negative number is a value
        value = rest.pop(0) if follows else option.bare
    elif not equals:
        if not rest:
            raise Usage(f"Option {name} requires an argument")
        value = rest.pop(0)
    if given.has(name) and not option.multiple:
        raise Failure(f"Found multiple arguments for option {name}, but you asked for only one")
    given.add(name, value)
    return f"--{name}={value}"


def _advice(word: str, known: Iterable[str], path: str) -> str | None:
    """Name the known word that is nearest to a mistyped one."""
    import difflib  # only for a mistake

    near = difflib.get_close_matches(word, list(known), 1)
    return f"Did you mean {near[0]}?" + (f" Try '{path} --help'." if path else "") if near else None


def _version_option() -> click.Option:
    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            click.echo(KAFKA_VERSION)
            ctx.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show Kafka's version and exit.",
    )


def _debug_option() -> click.Option:
    return click.Option(["--debug"], is_flag=True, expose_value=False, help="Show where a failure comes from.")
