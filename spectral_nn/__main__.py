"""``python -m spectral_nn``: versions, the linear solvers found, a self-check. Exit status 1 if it fails."""

from __future__ import annotations

import argparse
import platform
import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("numpy", "scipy", "numba", "matplotlib", "torch", "cvxpy", "chebfun")


def main(arguments: list[str] | None = None) -> int:
    """Print the diagnosis; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m spectral_nn", description=__doc__)
    parser.add_argument("--no-check", action="store_true", help="only list versions and solvers")
    options = parser.parse_args(arguments)

    from . import __version__
    from .linear.registry import linear_solvers

    print(f"spectral_nn {__version__}, Python {platform.python_version()}, {platform.platform()}")
    print(", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    print()
    with warnings.catch_warnings():  # the table shows the cause; no need to say it twice
        warnings.simplefilter("ignore", RuntimeWarning)
        print(linear_solvers())
    if options.no_check:
        return 0
    print()
    return (
        0
        if all([_check("linear solvers", _check_solvers), _check("boundary value problem", _check_bvp)])
        else 1
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def _check(label: str, check: object) -> bool:
    started = time.perf_counter()
    try:
        detail = check()  # type: ignore[operator]
        fine = True
    except Exception as error:  # a diagnosis must reach its end
        detail, fine = f"{type(error).__name__}: {error}", False
    print(f"{'ok  ' if fine else 'FAIL'} {label}: {detail} ({time.perf_counter() - started:.2f} s)")
    return fine


def _check_solvers() -> str:
    """Every ready solver gives the certified answer of one system without falling back."""
    import numpy as np

    from .linear import solve_linear
    from .linear.registry import BUILT_IN

    n = 24
    A = np.diag(np.full(n, 4.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    exact = np.cos(np.arange(n))
    solvers = [s for s in BUILT_IN if s not in ("triangular", "tikhonov")]
    for solver in solvers:
        answer = solve_linear(A, A @ exact, solver)
        error = float(np.abs(answer.x - exact).max())
        if not answer.success or error > 1e-12:
            raise RuntimeError(f"{solver}: error {error:.1e}, {answer.message}")
    return f"{len(solvers)} built-in solvers agree to 1e-12"


def _check_bvp() -> str:
    """u'' + u = 0, u(0) = 0, u(π/2) = 1: the sine."""
    import numpy as np

    from . import solve_bvp

    result = solve_bvp(lambda x, u: u.diff(2) + u, (0, np.pi / 2), lbc=0, rbc=1)
    x = np.linspace(0, np.pi / 2, 33)
    error = float(np.abs(result(x) - np.sin(x)).max())
    if not result.success or error > 1e-9:
        raise RuntimeError(f"error {error:.1e}, {result.message}")
    return f"u'' + u = 0 solved, error {error:.1e}"


if __name__ == "__main__":
    sys.exit(main())
