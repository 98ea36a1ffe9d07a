"""The conformance kit for authors of linear solvers.

One line in a plugin's own tests says whether the slot can rely on it:

    from spectral_nn.testing import check_linear_solver

    def test_conforms():
        check_linear_solver(MySolver())
"""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .linear import LinearSolution, LinearStatus, LinearSystem, Traits, solve_linear
from .linear.apply import dense_of
from .linear.interface import STRUCTURES
from .linear.registry import _missing, resolve

#: A direct solver's backward error on the kit's well-conditioned systems, and how well answers must repeat.
EXACT = 1e-12
SIZE = 12
ITEMS = 3

Make = Callable[[int, str, np.random.Generator], np.ndarray]


class ConformanceError(AssertionError):
    """A solver breaks the contract; `issues` lists every breach as a sentence."""

    def __init__(self, name: str, issues: list[str]) -> None:
        self.issues = issues
        super().__init__(
            f"linear solver {name!r} does not conform:\n" + "\n".join(f"  - {i}" for i in issues)
        )


def check_linear_solver(
    solver: Any, *, n: int | None = None, rng: int = 0, matrix: Make | None = None
) -> None:
    """Check that a linear solver keeps the contract of `spectral_nn.linear.LinearSolver`.

    Parameters
    ----------
    solver : LinearSolver or str
        The object, or the name of an installed one.
    n : int, optional
        Size of the test systems; by default 12, or the first of ``traits.sizes``.
    rng : int
        Seed of the test systems.
    matrix : callable, optional
        ``matrix(n, dtype, rng)`` makes the dense test matrices, for a solver that takes only special ones;
        by default they are random and diagonally dominant (and symmetric where the traits ask for it). An
        approximate solver may refuse them by ValueError; if it refuses all, a UserWarning asks for `matrix`.

    Raises
    ------
    ConformanceError
        An AssertionError that lists all breaches, a sentence each.

    Examples
    --------
    >>> from spectral_nn.testing import check_linear_solver
    >>> check_linear_solver("lu")
    """
    issues = linear_solver_issues(solver, n=n, rng=rng, matrix=matrix)
    if issues:
        raise ConformanceError(str(getattr(solver, "name", solver)), issues)


def linear_solver_issues(
    solver: Any, *, n: int | None = None, rng: int = 0, matrix: Make | None = None
) -> list[str]:
    """The breaches that `check_linear_solver` would raise for, as sentences; empty for a good solver."""
    try:
        solver = resolve(solver)
    except (TypeError, ImportError) as error:
        return [str(error)]
    issues = list(_issues_of_description(solver))
    if _missing(solver.traits):
        missing = ", ".join(_missing(solver.traits))
        return [*issues, f"traits.requires: {missing} not installed; nothing was run"]
    size = n or (solver.traits.sizes or (SIZE,))[0]
    if solver.traits.max_size is not None:
        size = min(size, solver.traits.max_size)
    traits, seed = solver.traits, np.random.default_rng

    def usual(n: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
        return _matrix("dense", n, dtype, traits.needs_spd, rng)

    make = matrix or usual
    cases: list[tuple[_Case, tuple[Check, ...]]] = [
        (case, CHECKS) for case in _cases(traits, size, seed(rng), make)
    ]
    if traits.batched:
        cases += [(case, (_solves_batches,)) for case in _batches(traits, size, seed(rng), make)]
    refusals = []
    for case, checks in cases:
        refusal = _refusal(solver, case)
        refusals += [refusal] if refusal else []
        for check in () if refusal else checks:
            issues += _run(check, solver, case)
    if "dense" in traits.structures:
        dense = next(_cases(traits, size, seed(rng), make))
        for check in (_owns_up_to_singular, _is_certified):
            issues += _run(check, solver, dense)
        if traits.noise and not refusals:
            issues += _run(_takes_noise, solver, dense)
    if len(refusals) == len(cases):
        warnings.warn(
            f"{solver.name} refused every test system, so that little was checked ({refusals[0]}); "
            "pass matrix= with a function that makes matrices it takes",
            UserWarning,
            stacklevel=3,
        )
    return issues


@dataclass(frozen=True)
class _Case:
    label: str
    A: Any
    other: Any  # a second matrix of the kind
    b: np.ndarray
    many: np.ndarray


Check = Callable[[Any, _Case], Iterator[str]]


def _cases(traits: Traits, n: int, rng: np.random.Generator, make: Make) -> Iterator[_Case]:
    for kind in (k for k in STRUCTURES if k in traits.structures):
        for dtype in ("float64", "complex128"):
            if dtype not in traits.dtypes:
                continue
            A, other = (
                make(n, dtype, rng) if kind == "dense" else _matrix(kind, n, dtype, traits.needs_spd, rng)
                for _ in range(2)
            )
            size = A.shape[0]
            b, many = _random((size,), dtype, rng), _random((size, ITEMS), dtype, rng)
            yield _Case(f"{kind} {dtype}", A, other, b, many)


def _batches(traits: Traits, n: int, rng: np.random.Generator, make: Make) -> Iterator[_Case]:
    for dtype in traits.dtypes:
        A, other = (np.array([make(n, dtype, rng) for _ in range(ITEMS)]) for _ in range(2))
        b = _random((ITEMS, n), dtype, rng)
        yield _Case(f"batch {dtype}", A, other, b, b)


def _matrix(kind: str, n: int, dtype: str, spd: bool, rng: np.random.Generator) -> Any:
    """A well-conditioned matrix: diagonally dominant, so that nobody has an excuse."""
    A = _random((n, n), dtype, rng) / n
    if kind in ("sparse", "banded"):
        A = np.triu(np.tril(A, 2), -1) if not spd else np.triu(np.tril(A, 1), -1)
    A = (A + A.conj().T if spd else A) + 3 * np.eye(n)
    if kind == "sparse":
        from scipy.sparse import csr_array

        return csr_array(A)
    if kind == "banded":
        from .linear.banded import Banded

        return Banded.from_matrix(A)
    if kind == "operator":
        from scipy.sparse.linalg import aslinearoperator

        return aslinearoperator(A)
    if kind == "block":
        from .linear.block import AlmostBlockDiagonal

        blocks = _random((ITEMS, 4, 6), dtype, rng) / 6
        blocks[:, :, 1:5] += 3 * np.eye(4)
        left, right = _random((1, 2), dtype, rng), _random((1, 2), dtype, rng)
        left[0, 0], right[0, 1] = 3, 3
        return AlmostBlockDiagonal(left, blocks, right)
    if kind == "almost_banded":
        from .linear.almost_banded import AlmostBanded

        band = _random((n - 1, 4), dtype, rng) / n
        band[:, 1] += 3
        top = _random((1, n), dtype, rng) / n
        top[0, 0] = 3
        return AlmostBanded(top, band, 1)
    return A


def _random(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    values = rng.uniform(-1, 1, shape)
    return values + 1j * rng.uniform(-1, 1, shape) if dtype == "complex128" else values


def _refusal(solver: Any, case: _Case) -> str:
    """What an approximate solver says to a matrix that is not of its kind; it may, by ValueError from
    factor."""
    if solver.traits.exact:
        return ""
    try:
        solver.factor(case.A)
    except ValueError as error:  # LinAlgError is one too, but the kit's matrices are far from singular
        return "" if isinstance(error, np.linalg.LinAlgError) else str(error)
    except Exception:
        return ""  # the checks will meet it again and report it
    return ""


def _run(check: Check, solver: Any, case: _Case) -> list[str]:
    try:
        return [f"{case.label}: {issue}" for issue in check(solver, case)]
    except Exception as error:  # a breach too: the kit's systems are all solvable
        doing = check.__name__.strip("_").replace("_", " ")
        return [f"{case.label}: raised {type(error).__name__} in the check “{doing}”: {error}"]


def _issues_of_description(solver: Any) -> Iterator[str]:
    if not (isinstance(solver.name, str) and re.fullmatch(r"[a-z][a-z0-9_-]*", solver.name)):
        yield f"name: expected lower-case letters, digits, - and _, got {solver.name!r}"
    if not solver.traits.summary:
        yield "traits.summary: expected a line for the table of solvers, got an empty string"
    wrong = [d for d in solver.traits.dtypes if d not in ("float64", "complex128")]
    if wrong:
        yield f"traits.dtypes: the slot hands over float64 and complex128, got {', '.join(map(str, wrong))}"
    loaded = _heavy_imports(solver)
    if loaded:
        yield (
            f"importing {type(solver).__module__} imports {', '.join(loaded)}; move that into factor, "
            "so that traits can be read without it"
        )


def _heavy_imports(solver: Any) -> list[str]:
    """Which of the required modules come along with the module of the class, in a fresh process."""
    module = type(solver).__module__
    heavy = [name for name in solver.traits.requires if name not in ("numpy", "scipy", "numba")]
    if not heavy or module == "__main__":
        return []
    code = f"import sys; import {module}; print(*(m for m in {heavy!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    return done.stdout.split() if done.returncode == 0 else []


def _solves(solver: Any, case: _Case) -> Iterator[str]:
    state = solver.factor(case.A)
    from_system = solver.factor(LinearSystem(case.A, case.b))
    for b, st in ((case.b, state), (case.many, state), (case.b, from_system), (np.zeros_like(case.b), state)):
        answer = solver.solve(st, b)
        if not isinstance(answer, LinearSolution):
            yield f"solve returned a {type(answer).__name__}; expected a LinearSolution"
            return
        x = answer.x
        if not isinstance(x, np.ndarray) or x.shape != b.shape:
            yield f"x has shape {np.shape(x)} for b of shape {b.shape}; expected the shape of b"
        elif x.dtype != (dtype := np.result_type(case.A.dtype, b.dtype)):
            yield f"x is {x.dtype} for A {case.A.dtype} and b {b.dtype}; expected {dtype}"
        elif not np.isfinite(x).all():
            yield "x is not finite for a well-conditioned system" + (" and b = 0" if not b.any() else "")
        elif not b.any() and np.abs(x).max() > 0:
            yield f"b = 0 gave x of size {np.abs(x).max():.1e}; expected 0"
        elif solver.traits.exact and _error(case.A, x, b) > EXACT:
            yield (
                f"traits.exact, but the backward error on a well-conditioned system is "
                f"{_error(case.A, x, b):.1e}; expected at most {EXACT:.0e}"
            )


def _keeps_its_input(solver: Any, case: _Case) -> Iterator[str]:
    before_A, before_b = dense_of(case.A).copy(), case.b.copy()
    solver.solve(solver.factor(case.A), case.b)
    if not np.array_equal(dense_of(case.A), before_A):
        yield "factor or solve changed A; work on a copy"
    if not np.array_equal(case.b, before_b):
        yield "solve changed b; work on a copy"
        case.b[:] = before_b


def _repeats(solver: Any, case: _Case) -> Iterator[str]:
    state = solver.factor(case.A)
    first = solver.solve(state, case.b).x
    solver.solve(state, case.b[::-1].copy())
    if not _close(solver.solve(state, case.b).x, first, solver):
        yield "the same b gives another x the second time; solve must not change its state"


def _keeps_states_apart(solver: Any, case: _Case) -> Iterator[str]:
    state = solver.factor(case.A)
    first = solver.solve(state, case.b).x
    solver.factor(case.other)
    if not _close(solver.solve(state, case.b).x, first, solver):
        yield "factoring another matrix changed an earlier state; keep nothing on the solver"


def _scales(solver: Any, case: _Case) -> Iterator[str]:
    if not solver.traits.exact:
        return
    state = solver.factor(case.A)
    for scale in (1e-30, 1e30):
        x = solver.solve(state, scale * case.b).x / scale
        if not _close(x, solver.solve(state, case.b).x, solver):
            yield f"b times {scale:.0e} does not give x times {scale:.0e}"


def _solves_batches(solver: Any, case: _Case) -> Iterator[str]:
    x = solver.solve(solver.factor(case.A), case.b).x
    if x.shape != case.b.shape:
        yield f"traits.batched, but x has shape {x.shape} for b of shape {case.b.shape}"
        return
    for k in range(len(x)):
        alone = solver.solve(solver.factor(case.A[k]), case.b[k]).x
        if not np.allclose(x[k], alone, rtol=1e-4 if not solver.traits.exact else 1e-10, atol=1e-6):
            yield f"system {k} of a batch gives another x than by itself"


def _owns_up_to_singular(solver: Any, case: _Case) -> Iterator[str]:
    A = np.array(case.A)
    A[-1], A[:, -1] = A[0], A[:, 0]
    A[-1, -1] = A[0, 0]
    b = np.arange(1.0, len(A) + 1)
    answer = solve_linear(A, b, solver, fallback=False)
    if answer.success:
        yield "an inconsistent singular system came back as solved; raise LinAlgError or give status SINGULAR"


def _is_certified(solver: Any, case: _Case) -> Iterator[str]:
    answer = solve_linear(case.A, case.b, solver)
    if not answer.success:
        yield f"solve_linear did not succeed with it: {answer.message}"
    if solver.traits.exact and answer.fell_back:
        yield f"solve_linear had to fall back on a well-conditioned system: {answer.message}"
    bad = np.array(case.A)
    bad[0, 0] = np.nan
    if solve_linear(bad, case.b, solver).status is not LinearStatus.NONFINITE_INPUT:
        yield "NaN in A was not reported as such"


def _takes_noise(solver: Any, case: _Case) -> Iterator[str]:
    answer = solver.solve(solver.factor(LinearSystem(case.A), noise=1e-3), case.b)
    if answer.x_error is not None:
        if answer.x_error.shape != case.b.shape:
            yield f"x_error has shape {answer.x_error.shape} for b of shape {case.b.shape}"
        elif not (answer.x_error >= 0).all():
            yield "x_error holds negative or NaN half-widths"
    size = np.abs(np.linalg.solve(case.A, case.b)).max()
    if not np.abs(answer.x).max() < 100 * size:
        yield "with noise=1e-3 x is 100 times larger than the solution without noise"


CHECKS: tuple[Check, ...] = (_solves, _keeps_its_input, _repeats, _scales, _keeps_states_apart)


def _error(A: Any, x: np.ndarray, b: np.ndarray) -> float:
    dense = dense_of(A)
    scale = np.abs(dense).sum(axis=1).max() * np.abs(x).max() + np.abs(b).max()
    return float(np.abs(b - dense @ x).max() / scale) if scale else 0.0


def _close(x: np.ndarray, y: np.ndarray, solver: Any) -> bool:
    tolerance = EXACT if solver.traits.exact else 1e-4  # float32 on a device need not repeat to the last bit
    return bool(np.abs(x - y).max(initial=0.0) <= tolerance * max(np.abs(y).max(initial=0.0), 1e-300))
