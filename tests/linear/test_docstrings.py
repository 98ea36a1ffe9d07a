"""The examples in the docstrings of the slot print what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ["interface", "banded", "almost_banded", "certify", "select", "solve", "registry"]


@pytest.mark.parametrize("name", [f"spectral_nn.linear.{m}" for m in MODULES] + ["spectral_nn.testing"])
def test_examples(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted > 0 and outcome.failed == 0
