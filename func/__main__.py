"""`python -m func` and `taskgate`: the commands, each loaded only when it is called."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec

import click

from func import __version__, redaction
from func.core.errors import TaskgateError

# Each command's module has a click command of its name.
_COMMANDS = {
    "serve": "func.cli.serve",
    "cluster": "func.devcluster.cluster",
    "demo": "func.devcluster.demo",
    "check": "func.cli.check",
    "explain": "func.cli.explain",
    "waiting": "func.cli.waiting",
    "replay": "func.cli.replay",
    "board": "func.cli.board",
}


class _Commands(click.Group):
    """A group that imports a command when it is asked for: `serve` must not wait for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [command for command in _COMMANDS if _installed(command)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if not _installed(cmd_name):
            ctx.fail(f"The command {cmd_name!r} is not part of the image. Run it with `pip install taskgate`.")
        command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - a table of ours
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what is no defect is printed in one line."""
        try:
            return super().invoke(ctx)
        except TaskgateError as error:
            from func.cli.output import Problem

            raise Problem(error) from None


def _installed(command: str) -> bool:
    """The image contains only what serves events and inspects them: see .dockerignore."""
    room, _, module = _COMMANDS[command].rpartition(".")
    return bool(find_spec(room)) and bool(find_spec(f"{room}.{module}"))


_CONTEXT = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
    # https://no-color.org; else click colours what goes to a terminal
    "color": False if os.environ.get("NO_COLOR") else None,
}
_EPILOG = """\b
Examples:
  taskgate demo                                    # what it does, on this machine alone
  taskgate waiting                                 # which tasks wait at which gates
  taskgate explain --workflow play-task-7-workflow # why is this Workflow waiting?
  taskgate explain payload.json                    # why did this event do nothing?

\b
Completion, for bash (or zsh_source, fish_source):
  eval "$(_TASKGATE_COMPLETE=bash_source taskgate)"
"""


@click.command(cls=_Commands, context_settings=_CONTEXT, epilog=_EPILOG)
@click.version_option(__version__, prog_name="taskgate")
def main() -> None:
    """Open one gate of one running Argo Workflow by an event from outside."""
    redaction.install()


if __name__ == "__main__":
    main(prog_name="taskgate")
