"""Whatever goes wrong between the function and the API, the gate opens exactly once."""

from __future__ import annotations

from pathlib import Path

from func.devcluster import EmbeddedCluster
from tests.faults.bad_day import DOCUMENT, cases, document, run_all

CALL_TIMEOUT = 0.3  # instead of 2 s


def test_every_fault_at_every_call_ends_with_the_gate_opened_once(
    fault_cluster: EmbeddedCluster, tmp_path: Path
) -> None:
    # All of an event; of the others the write, in which they differ. The long proof takes all, with the real timeout.
    chosen = [case for case in cases() if case.flow.name == "event" or case.kind == "PATCH"]
    results = run_all(fault_cluster, chosen, tmp_path, CALL_TIMEOUT)
    problems = [problem for result in results for problem in result.problems]
    assert not problems, "\n".join(problems)


def test_the_table_of_faults_is_what_the_cases_expect() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "python -m tests.faults.bad_day writes it"
