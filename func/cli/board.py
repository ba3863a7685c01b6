"""`taskgate board`: the fleet as a web page."""

from __future__ import annotations

import re
from pathlib import Path

import click

from func.cli.access import config_option, connect_for_people, context_option, settings_for_people
from func.cli.output import Problem
from func.cli.signals import ended_in_order

_PORT = 8070
_GITHUB = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*")


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True, help="On loopback; 0 takes a free one."
)
@config_option
@context_option
@click.option("--github", default="https://github.com", show_default=True, help="Where the pull requests are.")
@click.option(
    "--agent",
    default="implementation-agent",
    show_default=True,
    help="Label, or argument, of a Workflow that says who works on it.",
)
def board(port: int, config: Path | None, github: str, agent: str) -> None:
    """Watch the fleet in a browser: tasks by the gate at which they wait, and what happened last.

    Reads the Workflows that the rules select from the cluster of KUBECONFIG, then watches them. Serves a page to this
    machine alone, which follows by itself. Writes nothing. Needs the rights list and watch on workflows.argoproj.io.

    \b
    Exit codes:
      0  ended by Ctrl-C or SIGTERM
      1  the cluster does not answer or refuses, the rules are wrong, or the port is in use
      2  wrong usage

    \b
    Examples:
      taskgate board
      taskgate board --port 9000 --config gates.yaml --github https://github.example.com
      ssh -L 8070:127.0.0.1:8070 ops@bastion taskgate board   # and open it here
    """
    from func.board.server import BoardServer
    from func.board.view import Names
    from func.board.workflow_watch import needed_right
    from func.core.reasons import Rejection
    from func.kube.client import Workflows
    from func.kube.errors import NotFound

    github = github.rstrip("/")
    if not _GITHUB.fullmatch(github):
        raise Problem(f"--github is {github}: expected an address like https://github.example.com")
    settings = settings_for_people(config)
    namespace = settings.rules.workflows.namespace
    workflows = Workflows(connect_for_people(settings), namespace)
    try:
        server = BoardServer(workflows, settings.rules, Names(agent, github), port)
    except OSError as error:
        raise Problem(f"--port is {port}: cannot listen there ({error.strerror}); 0 takes a free one") from None
    try:
        with ended_in_order(), server:
            click.echo(f"Board of {namespace}: {server.url}  (Ctrl-C ends it)")
            server.wait()
    except NotFound as error:
        raise Problem(f"this cluster has no Workflows: {error}") from None
    except Rejection as rejection:
        raise Problem(needed_right(rejection, namespace)) from None
    except KeyboardInterrupt:
        return
    raise Problem("the board ended by itself")
