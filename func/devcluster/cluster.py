"""`taskgate cluster`: the embedded Kubernetes API on loopback."""

from __future__ import annotations

from pathlib import Path

import click

from func.cli.output import Problem


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="On loopback; by default a free one.")
@click.option(
    "--load",
    "loads",
    multiple=True,
    metavar="PATH...",
    type=click.Path(),
    help="Files or folders to fill it with, JSON or YAML.",
)
@click.option(
    "--kubeconfig", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write, for clients."
)
@click.option("--no-controller", is_flag=True, help="Leave Workflows as they are until somebody writes to them.")
@click.argument("paths", nargs=-1, metavar="", type=click.Path())
def cluster(port: int, loads: tuple[str, ...], kubeconfig: Path, no_controller: bool, paths: tuple[str, ...]) -> None:  # noqa: FBT001 - click's way
    """Run a Kubernetes API on loopback, for trying out.

    Until Ctrl-C or SIGTERM it serves Workflows, ConfigMaps, Events and Namespaces to kubectl and other clients, and
    moves Workflows of suspend steps on as Argo's controller does. It asks nobody who they are.

    \b
    Exit codes:
      0  ended by Ctrl-C or SIGTERM
      1  a file can't be loaded or written, or the port is taken
      2  wrong usage

    \b
    Examples:
      taskgate cluster --port 8090 --load workflows/ --kubeconfig kubeconfig
      kubectl --kubeconfig kubeconfig get workflows --all-namespaces
    """
    from func.devcluster import LoadError
    from func.devcluster.foreground import run

    try:
        run(
            port=port,
            paths=[*loads, *paths],
            kubeconfig=kubeconfig,
            controller=not no_controller,
            say=click.echo,
        )
    except LoadError as error:
        raise Problem(error) from None
    except OSError as error:
        if error.filename:
            raise Problem(f"--kubeconfig is {kubeconfig}: can't be written ({error.strerror})") from None
        raise Problem(f"--port is {port}: can't listen there ({error.strerror}); leave it out for a free one") from None
