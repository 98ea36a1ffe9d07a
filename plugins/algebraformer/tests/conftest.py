import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread_and_a_seed():
    """Tests share small machines; torch's random state is each test's own."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
