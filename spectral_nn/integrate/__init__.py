"""SciPy's door: `solve_bvp` with the signature and the result fields of `scipy.integrate.solve_bvp`."""

from .scipy_bvp import solve_bvp
from .solution import BVPResult, Solution

__all__ = ["BVPResult", "Solution", "solve_bvp"]
