"""`taskgate cluster`: the embedded Kubernetes API on loopback."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from func.cli.output import Problem
from func.cli.signals import ended_in_order


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
@click.option("--no-controller", is_flag=True, help="Leave Workflows as they are until a client writes to them.")
@click.argument("paths", nargs=-1, metavar="", type=click.Path())
def cluster(port: int, loads: tuple[str, ...], kubeconfig: Path, no_controller: bool, paths: tuple[str, ...]) -> None:  # noqa: FBT001 - click's way
    """Run a Kubernetes API on loopback, to try Taskgate out.

    Until Ctrl-C or SIGTERM it serves Workflows, ConfigMaps, Events and Namespaces to kubectl and other clients. It
    advances Workflows of suspend steps as Argo's controller does. It authenticates nobody.

    \b
    Exit codes:
      0  ended by Ctrl-C or SIGTERM
      1  cannot load or write a file, or the port is in use
      2  wrong usage

    \b
    Examples:
      taskgate cluster --port 8090 --load workflows/ --kubeconfig kubeconfig
      kubectl --kubeconfig kubeconfig get workflows --all-namespaces
    """
    from func.devcluster import EmbeddedCluster, LoadError, load_objects

    try:
        objects = load_objects([*loads, *paths])
        with ended_in_order(), EmbeddedCluster(port, controller=not no_controller, objects=objects) as running:
            running.write_kubeconfig(kubeconfig)
            click.echo(f"Kubernetes API ready at {running.url} with {len(objects)} objects; kubeconfig: {kubeconfig}")
            threading.Event().wait()
    except KeyboardInterrupt:
        return
    except LoadError as error:
        raise Problem(error) from None
    except OSError as error:
        if error.filename:
            raise Problem(f"--kubeconfig is {kubeconfig}: cannot be written ({error.strerror})") from None
        raise Problem(
            f"--port is {port}: cannot listen there ({error.strerror}); leave it out for a free one"
        ) from None
