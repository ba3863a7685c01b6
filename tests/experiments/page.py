"""The experiments as a page of the report."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.experiments.catalogue import EXPERIMENTS, SECTIONS
from tests.experiments.figures import Figure

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "research" / "experiments.md"
TOOLS = ROOT / "tests" / "cluster" / "tools"

_HEAD = """# What was run

Written by `make experiments`; do not edit. Each row was run with the real components: GitHub's payloads, signed, into a
real EventSource, over real JetStream, to a real Sensor, against a real Kubernetes API. Where a trigger starts `argo`
(or `kubectl`), a recorder of that name on the Sensor's PATH notes what was run; where it asks Argo Server, an
HTTP recorder notes that. `tests/experiments/` is the code, and most of it runs with the tests too.

What is not here was not run: no workflow-controller, no pods, no Argo Server.
"""


def versions() -> dict[str, str]:
    """Component -> version, as the tools' go.mod files pin them."""
    wanted = {
        "Argo Events": ("argo-events", "github.com/argoproj/argo-events"),
        "NATS with JetStream": ("nats", "github.com/nats-io/nats-server/v2"),
        "Kubernetes API server": ("kubernetes", "k8s.io/kubernetes"),
        "etcd": ("etcd", "go.etcd.io/etcd/server/v3"),
    }
    found = {}
    for name, (folder, module) in wanted.items():
        match = re.search(
            rf"^\s*(?:require )?{re.escape(module)} (v\S+)", (TOOLS / folder / "go.mod").read_text(), re.M
        )
        assert match, name
        found[name] = match[1]
    crd = next((ROOT / "tests" / "data" / "crds").glob("argo-workflows-*")).name
    return found | {"Workflow CRD (Argo Workflows)": crd.split("-")[2]}


def row(key: str, seen: str) -> str:
    """One line of the table."""
    one = EXPERIMENTS[key]
    cells = (key, one.question, one.answer, seen)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def page(seen: Mapping[str, str], figures: Iterable[Figure]) -> str:
    """All of it."""
    parts = [_HEAD, "## Versions\n", "| component | version |\n| --- | --- |"]
    parts += [f"| {name} | {version} |" for name, version in versions().items()]
    for letter, title in SECTIONS.items():
        parts.append(f"\n## {title}\n\n| | asked | answer | seen |\n| --- | --- | --- | --- |")
        parts += [row(key, what) for key, what in seen.items() if key.startswith(letter)]
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    parts.append(
        f"\n## Figures\n\nMeasured on {today}, {os.cpu_count()} cores ({platform.machine()}) that had other work too, "
        "all on one machine without a network between. Times are medians of 10, from the webhook's first byte. "
        "Read them against each other, not as promises.\n\n| what | measured |\n| --- | --- |"
    )
    parts += [f"| {figure.what} | {figure.value} |" for figure in figures]
    return "\n".join(parts) + "\n"
