"""More events than one process can take: the excess is refused at once, and nothing goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests.faults.bad_day import GATE, Openings
from tests.faults.process import Served
from tests.recorded_workflows import waiting_workflow
from tests.soak.client import KINDS, Answer, delivery_of, kind_of, task_of
from tests.soak.report import Row

CONNECTIONS = 300
MAX_GROWTH = 1.2
_RESENT_AT = 250  # events a second
# An event's outcome when it is not refused for load; what is sent again may find the gate already opened.
_OUTCOMES = {
    "opens": {"opened", "duplicate"},
    "again": {"opened", "duplicate"},
    "stranger": {"refused"},
    "comment": {"ignored"},
    "no workflow": {"no-workflow"},
}


@dataclass(frozen=True)
class Wave:
    """What a client has sent and was answered."""

    seconds: float
    answers: Sequence[Answer]

    def refused(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status in (0, 503)]


def prove(rate: int, seconds: int, first: int = 1000) -> list[Row]:
    """Offer events at a rate for some time, then what was refused again at a rate that can be served.

    Args:
        rate: events a second.
        first: so many events before, at the same rate; memory is measured after them.
    """
    total = rate * seconds
    events = range(first, first + total)
    with ExitStack() as stack:
        cluster = stack.enter_context(EmbeddedCluster(controller=False))
        for number in range((first + total) // KINDS + 1):
            for task in (1_000_000 + number, 2_000_000 + number):
                cluster.store.load(WORKFLOWS, waiting_workflow(task, GATE))
        openings = stack.enter_context(Openings(cluster))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        served = stack.enter_context(Served(cluster.write_kubeconfig(folder / "kubeconfig")))

        warm = _send(served, range(first), rate)
        _send_until_done(served, warm)
        before = served.memory()
        wave = _send(served, events, rate)
        peak = served.memory()
        waves = _send_until_done(served, wave)
        after = served.memory()

        problems = _wrong(wave) + _wrong(warm)
        assert not problems, problems[:5]
        due = {f"play-task-{task_of(i)}-workflow" for i in range(first + total) if kind_of(i) in ("opens", "again")}
        assert dict(openings.counted) == {(name, GATE): 1 for name in due}
        assert not served.tracebacks, served.tracebacks
        assert max(peak, after) <= MAX_GROWTH * before, (before, peak, after)
        excess = [answer for answer in wave.answers if answer.status == 503]
        assert all(answer.retry_after for answer in excess)
        return [
            ("sent", f"{rate:,} events a second for {seconds} s on {CONNECTIONS} connections"),
            ("refused with 503", f"{len(excess):,}{_times(excess)}"),
            ("succeeded when sent again", f"all, in {waves} rounds"),
            ("gates, each opened exactly once", f"{len(due):,}"),
            (
                "memory before, under load, after",
                " / ".join(f"{bytes_ / 2**20:.0f} MiB" for bytes_ in (before, peak, after)),
            ),
        ]


def _send(served: Served, indices: Sequence[int], rate: int) -> Wave:
    """Have a process of its own send these events."""
    spec = {"port": served.port, "rate": rate, "connections": CONNECTIONS, "indices": list(indices)}
    sent = subprocess.run(
        [sys.executable, "-m", "tests.soak.client"],
        input=json.dumps(spec),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    result = json.loads(sent.stdout)
    answers = [Answer(*each) for each in result["answers"]]
    missing = set(indices) - {answer.index for answer in answers}
    assert not missing, f"{len(missing)} events got no answer"
    return Wave(result["seconds"], answers)


def _send_until_done(served: Served, wave: Wave) -> int:
    """Send what was refused again, until nothing is; returns how often."""
    waves = 0
    while wave.refused():
        waves += 1
        assert waves <= 10, "still refused"
        wave = _send(served, [answer.index for answer in wave.refused()], _RESENT_AT)
        problems = list(_wrong(wave))
        assert not problems, problems[:5]
    return waves


def _wrong(wave: Wave) -> list[str]:
    return [
        f"{kind_of(answer.index)} {delivery_of(answer.index)}: {answer.status} {answer.outcome}"
        for answer in wave.answers
        if answer.status not in (0, 503) and answer.outcome not in _OUTCOMES[kind_of(answer.index)]
    ]


def _times(answers: Sequence[Answer]) -> str:
    if not answers:
        return ""
    seconds = sorted(answer.seconds for answer in answers)
    return f", median after {seconds[len(seconds) // 2]:.2f} s, 99 % within {seconds[len(seconds) * 99 // 100]:.2f} s"
