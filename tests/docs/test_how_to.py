"""The commands of the how-to page that need no cluster; test_install.py runs the others."""

from __future__ import annotations

import time
from pathlib import Path

from tests.docs.demo import Demo, running_demo
from tests.docs.markdown import DOCS, sections
from tests.docs.shell import Shell, examples
from tests.manifests.building import kubectl
from tests.programs import needs

SECTIONS = {section.anchor: section.text for section in sections((DOCS / "how-to.md").read_text())}
FIRST_COMMAND = examples((DOCS / "runbook.md").read_text())[0][0]
# What GitHub's CLI needs for this: `--jq` on one page of deliveries, and a POST, which is noted.
GH = """#!/bin/bash
case "$*" in
  "api --paginate repos/5dlabs/cto/hooks/123456/deliveries?per_page=100 --jq "*)
    echo '[{"id": 1, "status": "OK"}, {"id": 2, "status": "Invalid HTTP Response: 503"}]' | jq "${!#}" ;;
  "api --method POST "*) echo "${!#}" >> posted ;;
  *) exit 1 ;;
esac
"""


def _soon(demo: Demo, command: str, shown: str) -> str:
    """Return the answer; the log follows the reply of an event."""
    until = time.monotonic() + 5
    while (answer := demo.run(command)) != shown and time.monotonic() < until:
        time.sleep(0.05)
    return answer


@needs("jq", "curl")
def test_the_rehearsal_of_the_runbook(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(DOCS)
    with running_demo(tmp_path, cwd=tmp_path, tools=Path(kubectl()).parent) as demo:
        stopped = demo.run(FIRST_COMMAND)
        assert stopped.startswith("STOP: namespace taskgate of context ")
        assert demo.run("echo ${TASKGATE_CONFIG:-unset}") == "unset"
        (_, *commands) = examples(SECTIONS["rehearse-the-runbook"])
        for command, shown in commands:
            assert _soon(demo, command, shown) == shown, command


@needs("jq")
def test_failed_deliveries_are_sent_again(tmp_path: Path) -> None:
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    ((command, _),) = examples(SECTIONS["recover-a-lost-webhook"])
    with Shell(tmp_path, {"PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin"}) as shell:
        assert shell.run(command) == ""
    assert (tmp_path / "posted").read_text() == "repos/5dlabs/cto/hooks/123456/deliveries/2/attempts\n"
