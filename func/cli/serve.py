"""`taskgate serve`: the function on a port, as the container runs it."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path

import click

from func.core.errors import SettingError
from func.service.local_only import LocalOnly, allowed_senders
from func.service.sockets import listen
from func.telemetry.log import LogHandler, log_line

_GRACE_SECONDS = 10  # for events in progress after SIGTERM; each takes 5 s at most


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), envvar="PORT", default=8080, show_default=True, show_envvar=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--config", type=click.Path(path_type=Path), help="gates.yaml; default: TASKGATE_CONFIG, else built in.")
def serve(port: int, host: str, config: Path | None) -> None:
    """Run the function: CloudEvents posted to / open gates.

    Settings come from the environment, such as KUBECONFIG, TASKGATE_CONFIG, TASKGATE_AUTH, TASKGATE_TOKEN_FILE and
    TASKGATE_MODE; docs/reference.md has all of them. It ends by SIGTERM or Ctrl-C, after the events in progress.

    Outside a cluster and without authentication it serves this machine alone: it listens on loopback, and refuses
    requests whose Host is another name.

    \b
    Exit codes:
      1    a setting is wrong (the one line names it), the port is taken, or Ctrl-C
      2    wrong usage
      143  ended by SIGTERM

    \b
    Examples:
      KUBECONFIG=~/.kube/config taskgate serve
      taskgate serve --port 8081 --config gates.yaml
      TASKGATE_MODE=observe taskgate serve        # decides and logs, writes nothing
      TASKGATE_TOKEN_FILE=tokens taskgate serve --host 0.0.0.0
    """
    # Imports leave little garbage. A cold start takes 16 % longer with its collection, and 19 % longer where only
    # `freeze` below is missing: `python -m tests.bench.pairs`.
    gc.disable()
    try:
        if config:
            config.read_bytes()  # here, where the option is known that names it
            os.environ["TASKGATE_CONFIG"] = str(config)
        senders = allowed_senders(host, os.environ)
    except SettingError as error:
        raise SystemExit(f"taskgate: {error}") from None
    except OSError as error:
        raise SystemExit(f"taskgate: --config is {config}: cannot be read ({error.strerror})") from None
    try:
        # Listening comes first: while the rest is imported, the first request waits in the queue of the socket
        # instead of being refused and tried again later.
        listener = listen(host, port)
    except OSError as error:
        raise SystemExit(f"taskgate: --port {port} at --host {host}: cannot listen there ({error.strerror})") from None

    import uvicorn
    from functions_framework.aio import create_asgi_app
    from functions_framework.execution_id import AsgiMiddleware

    import func
    from func.service.http_protocol import BoundedProtocol

    source = str(Path(func.__file__).with_name("main.py"))
    app = create_asgi_app("taskgate", source, "http")  # type: ignore[no-untyped-call]
    # It makes an id for each request that has none, for lines that a function prints. Taskgate logs the event's id.
    app.user_middleware = [each for each in app.user_middleware if each.cls is not AsgiMiddleware]
    server = uvicorn.Server(
        uvicorn.Config(
            LocalOnly(app) if senders == "local" else app,
            # With h11: httptools has no bound on heads, trailers and pipelined requests.
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # nobody asks for the sender's address
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    logging.getLogger().addHandler(LogHandler(logging.WARNING))
    gc.freeze()  # what exists now stays until the end, so no collection has to visit it
    gc.enable()
    _say(host, listener.getsockname()[1])
    if senders == "anybody":
        told = "TASKGATE_AUTH is none: everybody who reaches this port can open gates."
        log_line("WARN", told, {"server.address": host})
    server.run(sockets=[listener])


def _say(host: str, port: int) -> None:
    """A sentence for people, and a line of the log like all others for those who collect it."""
    said = f"Taskgate listens on http://{host}:{port}"
    if sys.stderr.isatty():
        click.echo(said, err=True)
    else:
        log_line("INFO", said, {"server.address": host, "server.port": port})
