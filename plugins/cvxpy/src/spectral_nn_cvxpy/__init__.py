"""CVXPY problems solved by spectral_nn's Newton l_p minimizer.

Importing this package makes ``problem.solve(method="newton_lp")`` work:

>>> import cvxpy as cp
>>> import spectral_nn_cvxpy
>>> x = cp.Variable(3)
>>> problem = cp.Problem(cp.Minimize(cp.norm(x - 1.0, 3)), [cp.sum(x) == 0])
>>> value = problem.solve(method="newton_lp")
>>> problem.status
'optimal'
"""

from __future__ import annotations

from .reading import Reading, read
from .refusal import Refused
from .solve import METHOD, register, solve

__all__ = ["METHOD", "Reading", "Refused", "read", "register", "solve"]

register()
