"""`taskgate board`: the fleet as a web page."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import click

from func.cli.access import config_option, connect_for_people, context_option, settings_for_people
from func.cli.output import Problem
from func.cli.signals import ended_in_order

_PORT = 8070
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*")
_LOCAL = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/[A-Za-z0-9._~-]+)*")


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
@click.option("--argo-ui", metavar="URL", help="Where Argo's UI is; each task then links to its Workflow there.")
@click.option(
    "--log",
    metavar="FILE|-",
    type=click.File(encoding="utf-8", errors="replace"),
    help="The function's log; shows the events that it refused or found ambiguous.",
)
def board(port: int, config: Path | None, github: str, agent: str, argo_ui: str | None, log: TextIO | None) -> None:
    """Show the fleet in a browser: where each task waits.

    Reads the Workflows that the rules select from the cluster of KUBECONFIG, then watches them. Serves a page to this
    machine only, which updates itself. Writes nothing. Requires list and watch on workflows.argoproj.io.

    A refused event changes no Workflow, so only the function's log has it: --log shows those too.

    \b
    Exit codes:
      0  ended by Ctrl-C or SIGTERM
      1  the cluster does not answer or refuses, the rules are wrong, or the port is in use
      2  wrong usage

    \b
    Examples:
      taskgate board
      taskgate board --port 9000 --config gates.yaml --github https://github.example.com
      taskgate board --argo-ui https://argo.example.com
      kubectl -n taskgate logs -f -l app.kubernetes.io/component=function -c taskgate | taskgate board --log -
      ssh -L 8070:127.0.0.1:8070 ops@bastion taskgate board   # and open it here
    """
    from func.board.server import BoardServer
    from func.board.view import Names
    from func.board.workflow_watch import needed_right
    from func.core.reasons import Rejection
    from func.kube.errors import NotFound
    from func.kube.workflows import Workflows

    names = Names(agent, _address("--github", github, "https://github.example.com"))
    if argo_ui is not None:
        names = Names(agent, names.github, _address("--argo-ui", argo_ui, "https://argo.example.com"))
    settings = settings_for_people(config)
    namespace = settings.rules.workflows.namespace
    workflows = Workflows(connect_for_people(settings), namespace)
    try:
        server = BoardServer(workflows, settings.rules, names, port)
    except OSError as error:
        raise Problem(f"--port is {port}: cannot listen there ({error.strerror}); 0 takes a free one") from None
    try:
        with ended_in_order(), server:
            if log:
                threading.Thread(target=_read_lines, args=(log, server.read_log_line), daemon=True).start()
            click.echo(f"Board of {namespace}: {server.url}  (Ctrl-C ends it)")
            server.wait()
    except NotFound as error:
        raise Problem(f"Argo Workflows is not installed in this cluster: {error}") from None
    except Rejection as rejection:
        raise Problem(needed_right(rejection, namespace)) from None
    except KeyboardInterrupt:
        return
    raise Problem("the board stopped unexpectedly: start it again")


def _address(option: str, given: str, example: str) -> str:
    """Return a URL without the slash at its end.

    Raises:
        Problem: when a link to it could be something else than a web page.
    """
    address = given.rstrip("/")
    if not _ADDRESS.fullmatch(address) and not _LOCAL.fullmatch(address):
        raise Problem(f"{option} is {given}: expected an address like {example}")
    return address


def _read_lines(log: TextIO, read: Callable[[str], None]) -> None:
    for line in log:
        read(line)
