"""Words from outside in the annotation: the API server finds them as they were written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from func.core.patches import encode
from func.devcluster import jsonpatch
from tests.core.bench import STATE, Bench
from tests.payloads import HAPPENED, approved, cloudevent_structured, labeled


@pytest.mark.parametrize("delivery", ["a<b>&c", "é\u2028", 'a"b\\c', "{{x}}"])
def test_an_odd_id_of_a_delivery_does_not_block_the_workflow(delivery: str) -> None:
    bench = Bench.at("wait-ready-for-qa")
    assert bench.deliver(cloudevent_structured(approved(), delivery=delivery)).outcome == "parked"
    kept = bench.document["metadata"]["annotations"][STATE]
    (test,) = jsonpatch.parse(encode([{"op": "test", "path": "/a", "value": kept}]))
    assert jsonpatch.equal(kept, test["value"])
    later = HAPPENED + timedelta(minutes=1)
    assert bench.deliver(approved(review_id=7, happened=later)).outcome == "parked"
    assert bench.deliver(labeled()).outcome == "opened"
