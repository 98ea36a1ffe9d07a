"""Learned linear solvers (Algebraformer, linear transformers, LSTM/GRU) for spectral_nn.

Importing this package imports no torch: that happens when a solver is asked to factor, or training starts.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from .pretrained import shipped_weights
from .solvers import Algebraformer, AlgebraformerDiffusion, LinearTransformer
from .starts import LearnedStart

__all__ = ["Algebraformer", "AlgebraformerDiffusion", "LearnedStart", "LinearTransformer", "shipped_weights"]

try:
    __version__ = version("spectral-nn-algebraformer")
except PackageNotFoundError:  # a bare checkout on sys.path
    __version__ = "0+unknown"
