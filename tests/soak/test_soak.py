"""A small share of each long proof."""

from __future__ import annotations

from pathlib import Path

from tests.soak import bodies, kills, load
from tests.soak.report import write


def test_killed_under_load_nothing_is_lost_and_nothing_done_twice(tmp_path: Path) -> None:
    kills.prove(5, tmp_path)


def test_killed_around_the_set_of_argo_server_a_claim_is_finished_once(tmp_path: Path) -> None:
    kills.prove_claims(1, tmp_path)


def test_what_is_too_much_is_refused_and_succeeds_when_sent_again() -> None:
    load.prove(rate=800, seconds=2, first=500)


def test_large_bodies_at_once_do_not_take_the_process_down(tmp_path: Path) -> None:
    bodies.prove(tmp_path, slow=False, at_once=4)


def test_the_document_keeps_the_sections_of_proofs_that_were_not_run(tmp_path: Path) -> None:
    file = tmp_path / "results.txt"
    write(file, {"One": [("a", "1")], "Two": [("b", "2")]})
    write(file, {"One": [("a", "3")]})
    assert file.read_text(encoding="utf-8").split("\n\n", 2)[2] == ("## One\n\n- a: 3\n\n## Two\n\n- b: 2\n")
