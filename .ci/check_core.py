"""Run where only the core is installed: solve one problem, and show what was not imported."""

import sys
from importlib.metadata import distributions

import numpy as np

from spectral_nn import solve_bvp, solve_linear

FORBIDDEN = (
    "torch",
    "cvxpy",
    "matplotlib",
    "chebpy",
    "rich",
    "spectral_nn_algebraformer",
    "spectral_nn_cvxpy",
)

result = solve_bvp(lambda x, u: 1e-3 * u.diff(2) - x * u, domain=(-1, 1), lbc=1, rbc=0)
print(result)
x = np.linspace(-1, 1, 201)
residual = np.abs(1e-3 * result(x, 2) - x * result(x)).max()
assert result.success and residual < 1e-7, f"residual {residual:.1e}"
assert abs(result(-1.0) - 1) < 1e-9 and abs(result(1.0)) < 1e-9

try:
    solve_linear(np.eye(2), np.ones(2), solver="algebraformer")
except ValueError as error:
    print(error)
else:
    raise AssertionError("a plugin that is not installed was found")

loaded = [name for name in FORBIDDEN if name in sys.modules]
assert not loaded, f"imported: {loaded}"
print("installed:", ", ".join(sorted(f"{d.name} {d.version}" for d in distributions())))
print(f"solved with residual {residual:.1e}; not in sys.modules: {', '.join(FORBIDDEN)}")
