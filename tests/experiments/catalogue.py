"""All experiments, in the order of the report."""

from __future__ import annotations

# Each import adds the experiments of its module.
from tests.experiments import targeting  # isort: skip
from tests.experiments import patching  # isort: skip
from tests.experiments import requests  # isort: skip
from tests.experiments import filters  # isort: skip
from tests.experiments import conditions  # isort: skip
from tests.experiments import delivery  # isort: skip
from tests.experiments import watching  # isort: skip
from tests.experiments.experiment import EXPERIMENTS

MODULES = {
    "T": targeting,
    "K": patching,
    "H": requests,
    "F": filters,
    "C": conditions,
    "D": delivery,
    "W": watching,
}
SECTIONS = {
    "T": "Which Workflow the `argoWorkflow` trigger resumes",
    "K": "The `k8s` trigger on Workflows",
    "H": "The HTTP trigger",
    "F": "Filters, templates, scripts",
    "C": "Conditions and several stages",
    "D": "Order, repetition, failures",
    "W": "The `resource` EventSource",
}

__all__ = ["EXPERIMENTS", "MODULES", "SECTIONS"]
