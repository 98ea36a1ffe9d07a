"""The linear-solver slot: what a system is, what a solver promises, what an answer says.

A solver is an object with a `name`, `traits` (readable without its heavy imports), `factor` and `solve`. The
system is any of

    ndarray (n, n)                   structure "dense"
    ndarray (B, n, n)                structure "dense", a batch of B systems
    scipy.sparse array               structure "sparse"
    scipy LinearOperator             structure "operator"
    structured matrix object         what its attribute `structure` says: "banded", "almost_banded", "block"

where a structured matrix has `structure`, `shape`, `dtype`, `A @ x` and `toarray()`. The docs page
"Write a linear solver" (docs/plugins.md) is this file in prose, with a complete plugin.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np

#: What `Traits.structures` may hold. "batched" is a trait of its own, as only dense systems come in batches.
STRUCTURES = ("dense", "banded", "almost_banded", "block", "sparse", "operator")


@dataclass(frozen=True, slots=True)
class Traits:
    """What a solver can take, answered before its heavy imports.

    Parameters
    ----------
    summary : str
        One line for tables.
    structures : tuple of str
        Members of `STRUCTURES`; a structure left out is handed over as a dense array instead, where
        "dense" is in.
    batched : bool
        Whether `factor` takes A (B, n, n) and `solve` takes b (B, n). If not, a batch is looped over.
    exact : bool
        Whether the answer is as good as the arithmetic allows (direct solvers), or an approximation that
        counts on refinement (Krylov with a loose tolerance, learned solvers).
    needs_spd : bool
        Whether A must be symmetric (Hermitian) positive definite.
    dtypes : tuple of str
        NumPy names of the dtypes taken; others are refused by the slot before `factor` is called.
    max_size : int or None
        Largest n, if there is one.
    sizes : tuple of int or None
        The only n that are taken, if there are such (a network trained for n = 64).
    device : str
        Where the work is done: "cpu", "cuda", …
    requires : tuple of str
        Modules that must be importable; looked up with `importlib.util.find_spec`, not imported.
    noise : bool
        Whether `factor(system, noise=sigma)` is understood: the relative noise of the entries of A and b, or "estimate"
        (a solver that cannot infer it raises ValueError; one that can says what it inferred, `LinearSolution.noise`).
    """

    summary: str = ""
    structures: tuple[str, ...] = ("dense",)
    batched: bool = False
    exact: bool = False
    needs_spd: bool = False
    dtypes: tuple[str, ...] = ("float64", "complex128")
    max_size: int | None = None
    sizes: tuple[int, ...] | None = None
    device: str = "cpu"
    requires: tuple[str, ...] = ()
    noise: bool = False

    def __post_init__(self) -> None:
        unknown = [s for s in self.structures if s not in STRUCTURES]
        if unknown or not self.structures:
            raise ValueError(
                f"structures: expected a non-empty tuple from {STRUCTURES}, got {self.structures!r}"
            )


@dataclass(frozen=True, slots=True, eq=False)  # arrays do not compare to one truth
class LinearSystem:
    """A x = b, with what is known about A.

    Parameters
    ----------
    A : ndarray (n, n) or (B, n, n), scipy.sparse array, LinearOperator or structured matrix
        See the module's docstring.
    b : ndarray (n,), (n, k) or (B, n), optional
        Right-hand side(s); with A (B, n, n) one row per system.
    meta : dict
        What the maker of the system wants solvers to know: a discretization puts ``grid`` (n,), ``domain``
        (a, b), ``boundary_rows`` (indices of the rows that hold boundary conditions), ``interior_rows`` and
        ``equation_order`` there. Learned solvers scale by it; no solver may depend on it being there.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn import LinearSystem
    >>> system = LinearSystem(np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([3.0, 4.0]))
    >>> system.solve().x
    array([1., 1.])
    """

    A: Any
    b: np.ndarray | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        size = " x ".join(str(n) for n in self.A.shape)
        b = "none" if self.b is None else str(self.b.shape)
        meta = f", meta: {', '.join(self.meta)}" if self.meta else ""
        return f"LinearSystem: {self.structure} {size}, {np.dtype(self.A.dtype).name}, b {b}{meta}"

    @property
    def structure(self) -> str:
        """One of `STRUCTURES`."""
        return structure_of(self.A)

    @property
    def n(self) -> int:
        """Number of unknowns (of each system)."""
        return int(self.A.shape[-1])

    @property
    def batch(self) -> int | None:
        """Number of systems B of a batch, None for a single system."""
        return int(self.A.shape[0]) if len(self.A.shape) == 3 else None

    @property
    def dtype(self) -> np.dtype:
        """dtype of the solution: that of A and b together, at least float64."""
        parts = [self.A.dtype, np.float64] if self.b is None else [self.A.dtype, self.b.dtype, np.float64]
        return np.result_type(*parts)

    def solve(self, solver: str | LinearSolver = "auto", **options: Any) -> LinearSolution:
        """Solve it; the options are those of `spectral_nn.solve_linear`."""
        from .solve import solve_linear

        if self.b is None:
            raise ValueError("b: this LinearSystem has no right-hand side; give LinearSystem(A, b)")
        return solve_linear(self, solver=solver, **options)


class LinearStatus(IntEnum):
    """How a linear solve ended; `.sentence` says it in words and ends in what to try."""

    CONVERGED = 0
    NOISE_LEVEL = 1
    UNCERTIFIED = 2
    NOT_CONVERGED = 3
    SINGULAR = 4
    BREAKDOWN = 5
    UNSUPPORTED = 6
    NONFINITE_INPUT = 7

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]

    @property
    def success(self) -> bool:
        """Whether an answer with this status may be called right."""
        return self in (LinearStatus.CONVERGED, LinearStatus.NOISE_LEVEL)


_SENTENCES = {
    LinearStatus.CONVERGED: "The backward error is within rtol; nothing to do.",
    LinearStatus.NOISE_LEVEL: (
        "The residual is consistent with the stated noise; x_error holds the 90 % band if the solver "
        "gives one. For an answer to rounding of the system as given, leave out noise=."
    ),
    LinearStatus.UNCERTIFIED: (
        "This is the solver's raw answer, not refined and without fall back; success says whether it happens "
        "to meet rtol. For an answer that can be relied on, call with refine=True and fallback=True."
    ),
    LinearStatus.NOT_CONVERGED: (
        "The backward error did not reach rtol; raise rtol, scale the rows of A to a common size, "
        "or try solver='qr'."
    ),
    LinearStatus.SINGULAR: (
        "A is singular to working precision: (a) a condition is missing or stated twice, or (b) the unknowns "
        "are fixed only up to a constant; add or change a row, or take solver='qr' for a basic "
        "least-squares solution."
    ),
    LinearStatus.BREAKDOWN: (
        "The solver raised or returned non-finite numbers; allow fallback=True or choose another solver."
    ),
    LinearStatus.UNSUPPORTED: (
        "The solver does not take such a system; choose another one "
        "(spectral_nn.linear_solvers() lists them)."
    ),
    LinearStatus.NONFINITE_INPUT: (
        "The system holds NaN or infinity; look at the coefficients that made the place named here."
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class ItemReports:
    """Per system of a batch, or per right-hand side: what `LinearSolution` sums up.

    Attributes
    ----------
    status : ndarray of int
        `LinearStatus` values, shape (B,) or (k,).
    refinements : ndarray of int
    fell_back : ndarray of bool
    """

    status: np.ndarray
    refinements: np.ndarray
    fell_back: np.ndarray

    @property
    def success(self) -> np.ndarray:
        """ndarray of bool: which items may be called right."""
        return self.status <= LinearStatus.NOISE_LEVEL


@dataclass(frozen=True, slots=True, eq=False)
class LinearSolution:
    """The answer of a linear solve, and how it was come by.

    A solver returns one with `x` and, if it knows better, a status; `certify` fills in the rest from the true
    residual.

    Attributes
    ----------
    x : ndarray
        The shape of b.
    success : bool
        Whether every system and right-hand side met its target.
    status : LinearStatus
        The worst one.
    message : str
        A sentence: what happened, and what to try if it did not succeed.
    backward_error : float or ndarray
        ``‖b − A x‖ / (‖A‖ ‖x‖ + ‖b‖)`` in the max norm, residual computed in float64 (complex128); a float
        for one right-hand side, (k,) for many, (B,) for a batch; NaN if not computed.
    refinements : int
        Corrections that were computed (iterative refinement and FGMRES steps); the most of any item.
    solver : str
        Who gave the answer; "gmres, then lu" where it fell back.
    fell_back : bool
        Whether any item came from the fall-back solver.
    time : float
        Seconds, factorization included where this call made it.
    iterations : int
        Inner iterations an iterative solver reports; 0 for direct ones.
    x_error : ndarray or None
        From a noise-aware solver: half-widths of the 90 % band around x, same shape.
    items : ItemReports or None
        The same per system of a batch or per right-hand side.
    cause : str
        Where another solver took over: why, for the first item that it took; else empty.
    noise : float, ndarray (B,) or None
        Relative noise of the data: as stated, or as a solver inferred it that was given ``noise="estimate"``.
    """

    x: np.ndarray
    success: bool = False
    status: LinearStatus = LinearStatus.UNCERTIFIED
    message: str = LinearStatus.UNCERTIFIED.sentence
    backward_error: Any = float("nan")
    refinements: int = 0
    solver: str = ""
    fell_back: bool = False
    time: float = 0.0
    iterations: int = 0
    x_error: np.ndarray | None = None
    items: ItemReports | None = None
    cause: str = ""
    noise: Any = None

    def __repr__(self) -> str:
        width = max(len(f.name) for f in fields(self))
        rows = [(f.name, _short(getattr(self, f.name))) for f in fields(self)]
        shown = [row for row in rows if row not in (("cause", ""), ("noise", "None"))]
        return "LinearSolution\n" + "\n".join(f"{name:>{width}}: {text}" for name, text in shown)


@runtime_checkable
class LinearSolver(Protocol):
    """What goes into the slot: a stateless object with a name, traits and two methods."""

    @property
    def name(self) -> str:
        """The name of its entry point."""

    @property
    def traits(self) -> Traits:
        """Read before the heavy imports; keep them inside `factor`."""

    def factor(self, A: Any) -> Any:
        """Prepare the solution of A x = b for many b.

        Parameters
        ----------
        A : LinearSystem, or anything its field A may be
            A solver with ``traits.noise`` also takes the keyword ``noise`` (float, or (B,) for a batch).

        Returns
        -------
        Any
            The state that `solve` takes. A solver that cannot do it raises: `numpy.linalg.LinAlgError` for
            a singular (or not positive definite) A, ValueError for one it does not support.
        """

    def solve(self, state: Any, b: np.ndarray) -> LinearSolution:
        """Solve for b (n,), (n, k), or (B, n) where the traits say batched; `x` has the shape of b."""


def structure_of(A: Any) -> str:
    """The structure of a matrix, one of `STRUCTURES` (by its attributes: nothing is imported)."""
    if isinstance(A, np.ndarray):
        return "dense"
    structure = getattr(A, "structure", None)
    if isinstance(structure, str):
        return structure
    if hasattr(A, "tocsc"):
        return "sparse"
    if hasattr(A, "matvec") or hasattr(A, "__matmul__"):
        return "operator"
    raise TypeError(
        "A: expected an array, a scipy.sparse array, a LinearOperator or a structured matrix, "
        f"got {type(A).__name__}"
    )


def matrix_of(system_or_A: Any) -> Any:
    """The matrix of a LinearSystem; a matrix itself is handed through. For the first line of `factor`."""
    return system_or_A.A if isinstance(system_or_A, LinearSystem) else system_or_A


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size <= 6:
            return np.array2string(value, precision=6)
        return f"ndarray {value.shape} {value.dtype}"
    if isinstance(value, LinearStatus):
        return f"{value.name} ({int(value)})"
    if isinstance(value, ItemReports):
        return f"{value.status.size} items, {int(value.success.sum())} converged"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
