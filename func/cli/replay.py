"""`taskgate replay`: send recorded events again."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from func.cli.output import Problem, Row, clean, output_option, print_json, print_table, progress, wrap
from func.cli.recorded import Recorded, read_recorded
from func.cli.sending import NoReplyError, Reply, Sender
from func.core.reasons import Rejection
from func.redaction import protect, redact_url

_TRIES = 4
_PAUSE, _LONGEST_PAUSE = 2.0, 30.0  # seconds, where a 503 does not say how long, and at most


@click.command()
@click.argument("file", metavar="FILE|-", type=click.Path(allow_dash=True))
@click.option("--to", default="http://127.0.0.1:8080", show_default=True, metavar="URL", help="The function's address.")
@click.option(
    "--token-file", type=click.Path(dir_okay=False, path_type=Path), help="Sends the first token of this file."
)
@click.option(
    "--failed",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Collects the events that were not delivered, one per line, for another replay.",
)
@output_option
@click.pass_context
def replay(
    ctx: click.Context, *, file: str, to: str, token_file: Path | None, failed: Path | None, output: str
) -> None:
    """Send recorded events again.

    FILE has one CloudEvent per line, or dead letters as kubectl prints them. They are sent in order and keep their
    ids, so that what was done is not done twice. After a 503 the event is sent again when the answer says; after a 401,
    or without any answer, the rest is not sent.

    \b
    Exit codes:
      0  every event has its final answer, whatever it says
      1  some were not delivered, or FILE cannot be read (then nothing is sent)
      2  wrong usage

    \b
    Examples:
      taskgate replay events.jsonl --failed again.jsonl
      kubectl -n taskgate get configmaps -l taskgate.dev/dead-letter=true -o json | taskgate replay -
    """
    if not to.startswith(("http://", "https://")) or "@" in to:
        what = f"{redact_url(clean(to))} is not a URL like http://127.0.0.1:8080, without user or password"
        raise click.BadParameter(what, param_hint="--to")
    events = _events(file)
    if failed:
        _check_writable(failed)
    with (
        closing(Sender(to, _token(token_file) if token_file else None)) as sender,
        progress(_results(events, sender), len(events), "Sending") as shown,
    ):
        results = list(shown)
    undelivered = [result for result in results if not result.is_delivered]
    if failed and undelivered:
        _keep(undelivered, failed, instead=file != "-" and failed.exists() and failed.samefile(file))
    if output == "json":
        print_json([result.data() for result in results])
    else:
        _print(results, len(undelivered), failed)
    ctx.exit(1 if undelivered else 0)


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of one event.

    Args:
        reply: None where there was none.
        problem: why there was none.
        tried: whether it was sent.
    """

    recorded: Recorded
    reply: Reply | None = None
    problem: str | None = None
    tried: bool = True

    @property
    def is_delivered(self) -> bool:
        """Whether the function gave its final answer."""
        return self.reply is not None and self.reply.is_final

    @property
    def outcome(self) -> str:
        """What came of it, in a word."""
        if self.reply is None:
            return "no answer" if self.tried else "not sent"
        return str(self.reply.body.get("outcome") or f"HTTP {self.reply.status}")

    def data(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "where": self.recorded.where,
            "id": self.recorded.event["id"],
            "type": self.recorded.event["type"],
            "delivered": self.is_delivered,
            "status": self.reply.status if self.reply else None,
            "reply": dict(self.reply.body) if self.reply else None,
            "problem": self.problem,
        }


def _events(file: str) -> list[Recorded]:
    """Return all events of a file; fail before anything is sent if one of them cannot be read."""
    events = read_recorded(file)
    problems = [f"{recorded.where}: {problem}" for recorded in events if (problem := _problem(recorded))]
    if problems:
        more = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
        raise Problem(f"nothing was sent, because of {problems[0].rstrip('.')}{more}")
    return events


def _problem(recorded: Recorded) -> str | None:
    try:
        recorded.incoming()
    except Rejection as rejection:
        return str(rejection)
    if recorded.guessed:
        return "It is a payload without its delivery id and event: only whole CloudEvents are sent again."
    return None


def _token(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise Problem(f"--token-file is {file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise Problem(f"--token-file is {file}: expected text in UTF-8") from None
    token = next((line.strip() for line in lines if line.strip()), "").removeprefix("Bearer ").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise Problem(f"--token-file is {file}: expected a line with a token")
    return protect(token)


def _check_writable(file: Path) -> None:
    new = not file.exists()
    try:
        file.open("a").close()
        if new:
            file.unlink()
    except OSError as error:
        raise Problem(f"--failed is {file}: cannot be written ({error.strerror})") from None


def _results(events: list[Recorded], sender: Sender) -> Iterator[_Result]:
    """Yield a result for each event; after a failure that all would have, the rest is not sent."""
    stopped: str | None = None
    for recorded in events:
        if stopped:
            yield _Result(recorded, problem=f"because {stopped}", tried=False)
            continue
        try:
            reply = _send(recorded, sender)
        except NoReplyError as error:
            stopped = str(error)
            yield _Result(recorded, problem=stopped)
        except KeyboardInterrupt:
            stopped = "interrupted"
            yield _Result(recorded, problem=stopped)
        else:
            if reply.status == 401:
                stopped = "the function does not take the token (--token-file)"
            yield _Result(recorded, reply)


def _send(recorded: Recorded, sender: Sender) -> Reply:
    """Send one event, again when a 503 asks for it.

    Raises:
        NoReplyError: the function does not answer.
    """
    for _ in range(_TRIES - 1):
        reply = sender.send(recorded.event)
        if reply.status != 503:
            return reply
        after = reply.headers.get("retry-after", "")
        time.sleep(min(float(after), _LONGEST_PAUSE) if after.isdecimal() else _PAUSE)
    return sender.send(recorded.event)


def _keep(undelivered: list[_Result], file: Path, *, instead: bool) -> None:
    """Append the events to the file, or replace it by them."""
    lines = "".join(json.dumps(result.recorded.event) + "\n" for result in undelivered)
    try:
        with file.open("w" if instead else "a", encoding="utf-8") as kept:
            kept.write(lines)
    except OSError as error:
        click.echo(lines, nl=False)  # nothing is lost
        raise Problem(f"--failed is {file}: cannot be written any more ({error.strerror}); see above") from None


def _print(results: list[_Result], undelivered: int, failed: Path | None) -> None:
    print_table(("EVENT", "OUTCOME", "TYPE", "REASON"), [_row(result) for result in results], movable=2)
    counts = Counter(result.outcome for result in results if result.is_delivered)
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    click.echo()
    click.echo(wrap(f"{len(results) - undelivered} of {len(results)} delivered{': ' if words else ''}{words}."))
    if undelivered:
        hint = f"they are in {failed}" if failed else "--failed FILE keeps them for another replay"
        click.secho(wrap(f"{undelivered} not delivered; {hint}."), fg="red")


def _row(result: _Result) -> Row:
    reason = result.problem or (str(result.reply.body.get("reason") or "") if result.reply else "")
    cells = (str(result.recorded.event["id"]), result.outcome, str(result.recorded.event["type"]), reason)
    return Row(cells, {} if result.is_delivered else {"fg": "red"})
