"""`python -m tests.soak [NAME ...]`: the soak tests in full, and the file of their results."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path

from func.devcluster import EmbeddedCluster
from tests.faults.bad_day import cases, run_all
from tests.properties import orders
from tests.soak import bodies, chunks, kills, load, model, requests
from tests.soak.report import Row, write

RESULTS = Path(__file__).parent / "results.txt"


def faults(folder: Path) -> list[Row]:
    """Each fault at each call, with the function's own timeouts."""
    quiet = (folder / "log").open("w", encoding="utf-8")  # of the function, which runs in this process here
    with quiet, redirect_stderr(quiet), EmbeddedCluster(controller=False) as cluster:
        results = run_all(cluster, cases(), folder, call_timeout=None)
    problems = [problem for result in results for problem in result.problems]
    assert not problems, "\n".join(problems)
    slowest = max(results, key=lambda result: result.seconds)
    return [
        ("faults of docs/faults.md, each answered as expected", f"{len(results)}"),
        ("slowest answer", f"{slowest.seconds:.1f} s"),
    ]


# name -> title, and the proof: it gets an empty folder
PROOFS: dict[str, tuple[str, Callable[[Path], Sequence[Row]]]] = {
    "model": ("The function against a model", lambda _: model.prove(2000)),
    "orders": ("Deliveries in every order", lambda _: orders.prove()),
    "requests": ("Mutated requests", lambda folder: requests.prove(100_000, folder)),
    "faults": ("API faults", faults),
    "kills": ("kill -9 under load", lambda folder: kills.prove(200, folder)),
    "claims": ("kill -9 around Argo Server's `set`", lambda folder: kills.prove_claims(25, folder)),
    "load": ("Overload", lambda _: load.prove(2000, 30)),
    "chunks": ("Bodies in chunks of one byte", chunks.prove),
    "bodies": ("Large and slow bodies", bodies.prove),
}


def main(names: Sequence[str]) -> None:
    """Run these proofs, or all.

    Raises: SystemExit, when a name is none; AssertionError, when something is not so.
    """
    unknown = set(names) - set(PROOFS)
    if unknown:
        raise SystemExit(f"no such proof: {', '.join(sorted(unknown))}; there are {', '.join(PROOFS)}")
    for name in names or PROOFS:
        title, prove = PROOFS[name]
        print(f"{name}: {title} ...", flush=True)  # noqa: T201 - a command
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            rows = [*prove(Path(folder))]
        write(RESULTS, {title: rows})
        for what, found in [*rows, ("took", f"{time.monotonic() - began:.0f} s")]:
            print(f"  {what}: {found}", flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    main(sys.argv[1:])
