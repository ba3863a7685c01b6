"""`taskgate demo`: many waiting tasks, one event, one open gate."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from func.cli.output import Problem, clean, output_option, print_json, print_table, progress, wrap
from func.cli.sending import Reply, Sender
from func.cli.signals import ended_in_order
from func.devcluster import Change, EmbeddedCluster
from func.devcluster.comparison import ABSENT, TITLES, Comparison, compare
from func.devcluster.function_process import FunctionProcess
from func.devcluster.releases import Releases
from func.devcluster.sample_events import EVENTS, GATE, TASK, approved
from func.devcluster.sample_workflows import NAMESPACE, fleet, gates_of
from func.kube.connection import connect
from func.kube.workflows import Workflows

if TYPE_CHECKING:
    from func.board.server import BoardServer

_FUNCTION_PORT, _CLUSTER_PORT, _BOARD_PORT = 8080, 8090, 8070  # with --stay, so that commands can be copied
_MOVES_ON_SECONDS = 15.0  # the controller looks at a Workflow long before
_WORKFLOW = f"play-task-{TASK}-workflow"
_PORT = click.IntRange(0, 65535)  # on loopback; 0 takes a free one
_HEADERS = ("content-type", "ce-type", "ce-source", "ce-subject", "retry-after")


@click.command()
@click.option("--tasks", type=click.IntRange(TASK, 10_000), default=100, show_default=True, help="Waiting Workflows.")
@click.option("--stay", is_flag=True, help="Send nothing; stay up for curl until Ctrl-C.")
@click.option("--port", type=_PORT, help=f"Of the function; default: a free one, {_FUNCTION_PORT} with --stay.")
@click.option("--cluster-port", type=_PORT, help=f"Of the API; default: a free one, {_CLUSTER_PORT} with --stay.")
@click.option("--board-port", type=_PORT, default=_BOARD_PORT, show_default=True, help="Of the board, with --stay.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="For the kubeconfig and the events of --stay; by default one that goes with the demo.",
)
@output_option
@click.pass_context
def demo(
    ctx: click.Context,
    *,
    tasks: int,
    stay: bool,
    port: int | None,
    cluster_port: int | None,
    board_port: int,
    folder: Path | None,
    output: str,
) -> None:
    """Show what Taskgate does, on this machine alone.

    Starts an embedded Kubernetes API with Workflows that wait at suspend nodes, and the function as a process. Sends
    one CloudEvent: pull request #123, with the label task-3, was approved. Shows which Workflows changed, and stops
    what it started.

    \b
    Exit codes:
      0  exactly one gate of exactly one Workflow opened
      1  anything else
      2  wrong usage

    \b
    Examples:
      taskgate demo
      taskgate demo --tasks 1000 --output json
      taskgate demo --stay                        # and then curl
    """
    ports = (_FUNCTION_PORT, _CLUSTER_PORT) if stay else (0, 0)
    log_readers: list[Callable[[str], object]] = [_print_log] if stay else []
    try:
        with ended_in_order(), ExitStack() as started:
            folder = _folder(started, folder)
            place = _start(
                started,
                tasks=tasks,
                port=ports[0] if port is None else port,
                cluster_port=ports[1] if cluster_port is None else cluster_port,
                folder=folder,
                log=lambda line: [read(line) for read in log_readers],
            )
            if stay:
                board = _board(started, place, board_port)
                log_readers.append(board.read_log_line)
                _stay(place, folder, board.url)
            elif not _show(place, output):
                ctx.exit(1)
    except KeyboardInterrupt:
        if not stay:
            raise


class _Place(NamedTuple):
    """What was started."""

    cluster: EmbeddedCluster
    kubeconfig: Path
    function: FunctionProcess


def _folder(started: ExitStack, folder: Path | None) -> Path:
    if folder is None:
        return Path(started.enter_context(tempfile.TemporaryDirectory(prefix="taskgate-")))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"--folder is {folder}: cannot be created ({error.strerror})") from None
    return folder.absolute()


def _start(
    started: ExitStack, *, tasks: int, port: int, cluster_port: int, folder: Path, log: Callable[[str], object]
) -> _Place:
    workflows = fleet(tasks, datetime.now(UTC))
    try:
        with progress(workflows, tasks, f"Filling the cluster with {tasks} Workflows") as shown:
            cluster = EmbeddedCluster(cluster_port, objects=shown)
    except OSError as error:
        raise _port_problem("the Kubernetes API", cluster_port, "--cluster-port", error) from None
    started.enter_context(cluster)
    try:
        kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig", NAMESPACE)
    except OSError as error:
        raise Problem(f"{folder / 'kubeconfig'}: cannot be written ({error.strerror})") from None
    function = started.enter_context(FunctionProcess(kubeconfig, port, log))
    started.enter_context(Releases(cluster, function.url))
    return _Place(cluster, kubeconfig, function)


def _port_problem(what: str, port: int, option: str, error: OSError) -> Problem:
    hint = f"choose another one with {option}, or 0 for a free one"
    return Problem(f"port {port} for {what} cannot be used ({error.strerror}): {hint}")


def _print_log(line: str) -> None:
    click.echo(clean(line), err=True)


def _board(started: ExitStack, place: _Place, port: int) -> BoardServer:
    from func.board.server import BoardServer
    from func.board.view import Names
    from func.service.settings import read_settings

    rules = read_settings({"KUBECONFIG": str(place.kubeconfig)}).rules
    try:
        board = BoardServer(Workflows(connect(place.kubeconfig, 1), NAMESPACE), rules, Names(), port)
    except OSError as error:
        raise _port_problem("the board", port, "--board-port", error) from None
    return started.enter_context(board)


def _show(place: _Place, output: str) -> bool:
    """Send the event and print what came of it; return whether exactly the one gate opened."""
    workflows = Workflows(connect(place.kubeconfig, 1), NAMESPACE)
    before = list(workflows.list_all(""))
    has_moved = threading.Event()  # the Workflow of the event waits at another gate than it did

    def look(change: Change) -> None:
        places = [node["displayName"] for node in gates_of(change.object, "Running")]
        if change.object["metadata"]["name"] == _WORKFLOW and places and GATE not in places:
            has_moved.set()

    place.cluster.follow(look)
    with closing(Sender(place.function.url)) as sender:
        reply = sender.send(approved(datetime.now(UTC)))
    if reply.body.get("outcome") == "opened":
        has_moved.wait(_MOVES_ON_SECONDS)
    comparison = compare(before, workflows.list_all(""))
    good = (
        has_moved.is_set()
        and reply.status == 200
        and comparison.changed == [_WORKFLOW]
        and comparison.opened == [(_WORKFLOW, GATE)]
    )
    verdict = _verdict(comparison, good=good)
    if output == "json":
        print_json(_data(comparison, reply, verdict, good=good))
    else:
        _print(comparison, reply, verdict, good=good)
    return good


def _verdict(comparison: Comparison, *, good: bool) -> str:
    unchanged = len(comparison.unchanged)
    if good:
        return f"One event opened one gate of one Workflow. The other {unchanged} Workflows keep their resourceVersion."
    opened = ", ".join(f"{gate} of {name}" for name, gate in comparison.opened) or "none"
    changed = ", ".join(comparison.changed) or "none"
    return f"Expected one open gate. Opened gates: {opened}. Changed Workflows: {changed}. Unchanged: {unchanged}."


def _data(comparison: Comparison, reply: Reply, verdict: str, *, good: bool) -> dict[str, Any]:
    changed = []
    for name in comparison.changed:
        before, after = comparison.before.get(name, ABSENT), comparison.after.get(name, ABSENT)
        changed.append(
            {
                "workflow": name,
                "task": after.task or before.task,
                "waited_at": list(before.waits_at),
                "waits_at": list(after.waits_at),
                "opened": [gate for workflow, gate in comparison.opened if workflow == name],
            }
        )
    return {
        "good": good,
        "verdict": verdict,
        "changed": changed,
        "unchanged": len(comparison.unchanged),
        "reply": {"status": reply.status, "headers": _shown_headers(reply), "body": dict(reply.body)},
    }


def _shown_headers(reply: Reply) -> dict[str, str]:
    return {name: reply.headers[name] for name in _HEADERS if name in reply.headers}


def _print(comparison: Comparison, reply: Reply, verdict: str, *, good: bool) -> None:
    click.echo(f"\n{len(comparison.before)} Workflows wait at suspend nodes (gates). GitHub sends one webhook event:")
    click.echo("5DLabs-Tess[bot] approved pull request #123 of 5dlabs/cto, which has the label task-3.\n")
    print_table(TITLES, comparison.rows())
    click.echo(click.style(f"\nReply: HTTP {reply.status}", bold=True))
    for name, value in _shown_headers(reply).items():
        click.echo(f"{clean(name)}: {clean(value)}")
    click.echo(json.dumps(dict(reply.body), indent=2))
    click.echo()
    click.secho(wrap(verdict), fg="green" if good else "red", bold=True)


def _stay(place: _Place, folder: Path, board: str) -> None:
    """Print what to try, and return when the function ends by itself."""
    now = datetime.now(UTC)
    url = place.function.url
    click.echo(f"Function:       {url}/  (the rules built in, no token)")
    click.echo(f"Kubernetes API: {place.cluster.url}  (kubeconfig: {place.kubeconfig})")
    click.echo(f"Board:          {board}  (open it in a browser)\n")
    click.echo("Send events, in any order, and again:\n")
    for name, (what, make) in EVENTS.items():
        file = folder / name
        file.write_text(json.dumps(make(now), indent=1) + "\n", encoding="utf-8")
        click.echo(f"  # {what}")
        click.echo(f"  curl -i {url}/ -H 'Content-Type: application/cloudevents+json' -d @{file}\n")
    click.echo("See what came of it:\n")
    if not shutil.which("taskgate"):  # as after `make run`, which installs into a folder of its own
        click.echo(f"  export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
    click.echo(f"  export KUBECONFIG={shlex.quote(str(place.kubeconfig))}")
    click.echo("  taskgate waiting")
    click.echo(f"  kubectl get workflow {_WORKFLOW} -o yaml\n")
    click.echo("Ctrl-C ends all of it.\n")
    place.cluster.follow(_print_move)
    code = place.function.wait()
    raise Problem(f"the function stopped unexpectedly, with exit code {code}; see its log")


def _print_move(change: Change) -> None:
    was, now = (_place_of(workflow) for workflow in (change.old, change.object))
    if now != was and now:
        task = change.object["metadata"].get("labels", {}).get("task-id")
        click.secho(clean(f"task {task} goes on: {now}"), fg="green")


def _place_of(workflow: Mapping[str, Any] | None) -> str:
    """Return where a Workflow is; empty while the controller has not looked at an opened gate yet."""
    gates = [node["displayName"] for node in gates_of(dict(workflow or {}), "Running")]
    if gates:
        return f"waits at {', '.join(gates)}"
    phase = ((workflow or {}).get("status") or {}).get("phase", "Running")
    return "" if phase == "Running" else f"has come to its end, {phase}"
