from pathlib import Path

import numpy as np
import pytest
import torch

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def one_thread_and_a_seed():
    """Tests share small machines; torch's random state is each test's own."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def pytest_collection_modifyitems(config, items):
    """Long runs wait to be asked for: ``pytest -m slow plugins/algebraformer``."""
    if config.getoption("-m"):
        return
    for item in items:
        if "slow" in item.keywords and HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="slow; run with -m slow"))
