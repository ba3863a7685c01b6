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
from tests.experiments.snippets import printed

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "research" / "experiments.md"
TOOLS = ROOT / "tests" / "cluster" / "tools"

_HEAD = """# What was run

What Argo Events does, tried with its real components: signed webhooks, EventSource, JetStream, Sensor and Kubernetes
API server. Recorders took the place of `argo`, of `kubectl` in F7, and of the servers that HTTP triggers call, except
in H5. No workflow-controller, no pods and no Argo Server ran. `make experiments` runs all of it and writes this page. A
key with a link runs the code that is printed there.
"""


def versions() -> dict[str, str]:
    """Return component -> version, as the tools' go.mod files pin them."""
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


def _versions() -> str:
    return "Versions:\n" + ",\n".join(f"{name} {version}" for name, version in versions().items()) + "."


def row(key: str, seen: str) -> str:
    """Return one line of the table."""
    one = EXPERIMENTS[key]
    name = f"[{key}]({printed()[key].link})" if key in printed() else key
    cells = (name, one.question, f"{one.answer} {seen}".strip())
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def page(seen: Mapping[str, str], figures: Iterable[Figure]) -> str:
    """Return all of it."""
    parts = [_HEAD, _versions()]
    for letter, title in SECTIONS.items():
        parts.append(f"\n## {title}\n\n| | tried | result |\n| --- | --- | --- |")
        parts += [row(key, what) for key, what in seen.items() if key.startswith(letter)]
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    parts.append(
        f"\n## Figures\n\nMeasured on {today}, on one machine with {os.cpu_count()} cores ({platform.machine()}). "
        "Times are medians of 10, from the webhook's first byte. Compare them with each other."
        "\n\n| what | measured |\n| --- | --- |"
    )
    grouped: dict[str, list[str]] = {}
    for figure in figures:
        thing, _, quantity = figure.what.partition(": ")
        grouped.setdefault(thing, []).append(f"{quantity} {figure.value}".strip())
    parts += [f"| {thing} | {', '.join(values)} |" for thing, values in grouped.items()]
    return "\n".join(parts) + "\n"
