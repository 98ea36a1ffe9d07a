"""spectral_nn and ChebPy: results as Chebfuns, and Chebfuns as coefficients, right-hand sides and guesses.

ChebPy installs as ``chebfun`` and imports as ``chebpy``.
"""

from .convert import breakpoints, from_chebfun, to_chebfun
from .solve import solve_bvp

__all__ = ["breakpoints", "from_chebfun", "solve_bvp", "to_chebfun"]
