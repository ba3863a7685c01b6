"""Whatever goes wrong between the function and the API, the gate opens exactly once."""

from __future__ import annotations

import os
from pathlib import Path

from func.embedded import EmbeddedCluster
from tests.faults.bad_day import cases, document, run_all

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
CALL_TIMEOUT = 0.3  # instead of 2 s, so that the table is made in seconds; the soak run takes the real one


def test_every_fault_at_every_call_ends_with_the_gate_opened_once(
    fault_cluster: EmbeddedCluster, tmp_path: Path
) -> None:
    results = run_all(fault_cluster, cases(), tmp_path, CALL_TIMEOUT)
    problems = [problem for result in results for problem in result.problems]
    assert not problems, "\n".join(problems)
    made = document(results)
    if os.environ.get("TASKGATE_WRITE_DOCS"):
        DOCUMENT.write_text(made, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == made, "TASKGATE_WRITE_DOCS=1 pytest tests/faults writes it anew"
