"""Where the real components are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).with_name("build")


def find_tools() -> Path:
    """The folder of the real components; the test that asks is skipped where they have not been built."""
    found = subprocess.run([BUILD, "--where"], text=True, capture_output=True, check=False)
    if found.returncode == 0:
        return Path(found.stdout.strip())
    missing = "the real components are not built: run 'make cluster-tools'"
    if os.environ.get("TASKGATE_REQUIRE_CLUSTER") == "1":
        pytest.fail(missing)
    pytest.skip(missing)
