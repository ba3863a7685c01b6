"""All experiments, in the order of the report."""

from __future__ import annotations

# Each import adds the experiments of its module.
from tests.experiments import targeting  # isort: skip
from tests.experiments import symptom  # isort: skip
from tests.experiments import patching  # isort: skip
from tests.experiments import requests  # isort: skip
from tests.experiments import filters  # isort: skip
from tests.experiments import conditions  # isort: skip
from tests.experiments import delivery  # isort: skip
from tests.experiments import watching  # isort: skip
from tests.experiments.experiment import EXPERIMENTS

MODULES = {
    "T": targeting,
    "S": symptom,
    "K": patching,
    "H": requests,
    "F": filters,
    "C": conditions,
    "D": delivery,
    "W": watching,
}
SECTIONS = {
    "T": "Which Workflow the `argoWorkflow` trigger resumes",
    "S": "Which script resumes tasks 1, 3, 5 and 7",
    "K": "The `k8s` trigger on Workflows",
    "H": "The HTTP trigger",
    "F": "Filters, templates and transforms",
    "C": "Conditions and several stages",
    "D": "Order, repetition and failures",
    "W": "The `resource` EventSource",
}

__all__ = ["EXPERIMENTS", "MODULES", "SECTIONS"]
