"""A small share of the long proof, see tests/soak/model.py."""

from __future__ import annotations

from hypothesis import settings

from tests.model.machine import Machine
from tests.soak.model import settings_for

TestModel = Machine.TestCase
TestModel.settings = settings(settings_for(40))
