"""Programs that some tests call, which a machine may lack."""

from __future__ import annotations

import shutil

import pytest


def needs(*programs: str) -> pytest.MarkDecorator:
    """Return the mark that skips a test, with what to install, where one of the programs is missing."""
    missing = ", ".join(name for name in programs if not shutil.which(name))
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}; install it and put it on the PATH")
