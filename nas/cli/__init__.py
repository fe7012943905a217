"""The ``nas`` command."""

import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["main"]

_LONGEST = 2000
"""Characters of a complaint, which may quote what it complains of."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0, 2 after a mistake of the user with one sentence.

    The code is 130 after Ctrl-C and 143 after SIGTERM.
    """
    from nas.cli.beginning import mark

    mark()
    from typer import Abort, BadParameter

    from nas.cli.stopping import exit_code, terminable
    from nas.errors import UsageError

    usage_mistake: Any = BadParameter.__bases__  # typer brings its own click and does not export this class of it

    try:
        with terminable():
            from nas.cli.app import app

            code = app(arguments, standalone_mode=False)
    except UsageError as error:
        _fail(str(error))
    except usage_mistake as error:
        if _is_help(error):
            print(error.format_message())
            sys.exit(0)
        message = error.format_message().replace("Value error, ", "").rstrip(".")
        _fail(f"{message}. See: {' '.join(_command(error.ctx))} --help")
    except OSError as error:
        sentence = f"{error.filename or 'a file'} cannot be read or written: {error.strerror}."
        _fail(" ".join([sentence, *getattr(error, "__notes__", [])]))
    except (KeyboardInterrupt, Abort) as end:
        print("nas: interrupted.", file=sys.stderr)
        sys.exit(exit_code(end.__cause__ or end) or 130)
    sys.exit(code or 0)


def _is_help(error: Any) -> bool:
    """Whether a command that has others was given alone, which is no mistake: it shows its help."""
    return error.ctx is not None and error.message == error.ctx.get_help()


def _command(context: Any) -> list[str]:
    """The words of the command that a mistake was made in, whatever the program is called here."""
    if context is None or context.parent is None:
        return ["nas"]
    return [*_command(context.parent), context.info_name]


def _fail(sentence: str) -> None:
    from nas.search.database_url import without_password
    from nas.wording import printable

    shown = printable(without_password(sentence), keep="")
    print(f"nas: {shown if len(shown) <= _LONGEST else f'{shown[:_LONGEST]}…'}", file=sys.stderr)
    sys.exit(2)
