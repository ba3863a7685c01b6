"""Workflows that no controller writes: every event of them has an outcome, never a defect, never a 503 for ever."""

from __future__ import annotations

import pytest

from func.kube.workflows import Workflows
from tests.odd_workflows import GATE, ODD, PLACES, made_odd
from tests.payloads import approved, cloudevent_structured, release_argo, synchronize
from tests.recorded_workflows import NAMESPACE, waiting_workflow
from tests.service.site import Site


@pytest.mark.parametrize("place", PLACES)
def test_a_workflow_with_something_odd_is_an_outcome(site: Site, place: str) -> None:
    for odd in ODD:
        site.load(made_odd(waiting_workflow(3, GATE), place, odd))
        for request in (
            cloudevent_structured(approved()),
            cloudevent_structured(synchronize()),
            release_argo(NAMESPACE, "play-task-3-workflow"),
        ):
            reply = site.send(request)
            detail = (odd, reply.data)
            assert reply.outcome != "error", detail
            # Nodes in a database need a setting: whoever sets it wants the event again.
            needs_setting = place == "offload" and isinstance(odd, str)
            assert reply.status < 500 or (needs_setting and "ARGO_SERVER" in reply.reason), detail


@pytest.mark.parametrize(
    "item",
    [{}, {"metadata": ["a"]}, {"metadata": {"labels": [["a"]]}}, {"metadata": {"labels": {"task-id": ["3"]}}}],
    ids=str,
)
def test_an_odd_item_of_a_list_is_no_workflow(site: Site, monkeypatch: pytest.MonkeyPatch, item: object) -> None:
    monkeypatch.setattr(Workflows, "list_metadata", lambda *_: [item])
    assert site.send(cloudevent_structured(approved())).outcome == "no-workflow"
