"""Whatever goes wrong between the function and the API, the gate opens exactly once."""

from __future__ import annotations

from pathlib import Path

from func.devcluster import EmbeddedCluster
from tests.faults.bad_day import cases, cells, document, read_document, run_all

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
CALL_TIMEOUT = 0.3  # instead of 2 s


def test_every_fault_at_every_call_ends_with_the_gate_opened_once(
    fault_cluster: EmbeddedCluster, tmp_path: Path
) -> None:
    # All of an event; of the others the write, in which they differ. The long proof takes all, with the real timeout.
    chosen = [case for case in cases() if case.flow.name == "event" or case.kind == "PATCH"]
    results = run_all(fault_cluster, chosen, tmp_path, CALL_TIMEOUT)
    problems = [problem for result in results for problem in result.problems]
    assert not problems, "\n".join(problems)
    told = read_document(DOCUMENT.read_text(encoding="utf-8"))
    different = {cell: (told.get(cell), found) for cell, found in cells(results).items() if told.get(cell) != found}
    assert not different, "python -m tests.soak faults makes docs/faults.md anew"


def test_the_table_of_faults_is_whole_and_as_it_is_made() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    told = read_document(text)
    assert told.keys() == {(case.flow.name, case.trouble.name, case.call) for case in cases()}
    assert document(told) == text, "python -m tests.soak faults makes it anew"
