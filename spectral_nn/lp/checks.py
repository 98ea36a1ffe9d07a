"""Arguments into float64 arrays, or a sentence that says what was wrong with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

SEMIDEFINITE_TOL = 1e-10  # eigenvalues of Q down to -SEMIDEFINITE_TOL * largest count as rounding


def matrix(A: Any, name: str) -> Any:
    """`A` as a C-contiguous float64 array or CSR array with two dimensions and finite entries."""
    if sp.issparse(A):
        _refuse_complex(A, name)
        A = sp.csr_array(A, dtype=np.float64)
        _refuse_nonfinite(A.data, name, lambda k: f"[{_csr_row(A, k)}, {A.indices[k]}]")
        return A
    A = _real(A, name)
    if A.ndim == 1:
        raise ValueError(f"{name} must have two dimensions (rows, unknowns), got shape {A.shape}")
    if A.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, got shape {A.shape}")
    A = np.ascontiguousarray(A)
    _refuse_nonfinite(A, name, lambda k: str([int(i) for i in np.unravel_index(k, A.shape)]))
    return A


def vector(b: Any, m: int, name: str, why: str) -> np.ndarray:
    """`b` as a float64 array (m,); a number is repeated."""
    b = _real(b, name)
    if b.ndim == 2 and 1 in b.shape:
        b = b.ravel()
    if b.ndim == 0:
        b = np.full(m, float(b))
    if b.shape != (m,):
        raise ValueError(f"{name} must have shape ({m},), {why}; got {b.shape}")
    _refuse_nonfinite(b, name, lambda k: f"[{k}]")
    return np.ascontiguousarray(b)


def stack_of_matrices(A: Any, name: str) -> np.ndarray:
    """`A` as a float64 array (B, m, n); one matrix is a stack of one."""
    A = _real(A, name)
    if A.ndim not in (2, 3):
        raise ValueError(f"{name} must have shape (B, m, n) or (m, n), got {A.shape}")
    A = np.ascontiguousarray(A if A.ndim == 3 else A[None])
    _refuse_nonfinite(A, name, lambda k: str([int(i) for i in np.unravel_index(k, A.shape)]))
    return A


def stack_of_vectors(b: Any, m: int, name: str, why: str) -> np.ndarray:
    """`b` as a float64 array (B, m); one vector is a stack of one."""
    b = _real(b, name)
    if b.ndim == 1:
        b = b[None]
    if b.ndim != 2 or b.shape[1] != m:
        raise ValueError(f"{name} must have shape (B, {m}) or ({m},), {why}; got {b.shape}")
    _refuse_nonfinite(b, name, lambda k: str([int(i) for i in np.unravel_index(k, b.shape)]))
    return b


def exponent(p: Any) -> float:
    """`p` as a float in (1, inf)."""
    p = _number(p, "p")
    if p == 1:
        raise ValueError("p must be greater than 1, got 1; for the l_1 norm use a linear programming solver")
    if p == math.inf:
        raise ValueError("p must be finite, got inf; for the maximum norm use a linear programming solver")
    if not p > 1:
        raise ValueError(f"p must be greater than 1 (smaller exponents are not convex), got {p!r}")
    return p


def nonnegative(value: Any, name: str) -> float:
    """A finite number >= 0."""
    value = _number(value, name)
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
    return value


def positive(value: Any, name: str) -> float:
    """A finite number > 0."""
    value = _number(value, name)
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number > 0, got {value!r}")
    return value


def count(value: Any, name: str) -> int:
    """An integer >= 0."""
    if isinstance(value, bool) or int(value) != value or value < 0:
        raise ValueError(f"{name} must be an integer >= 0, got {value!r}")
    return int(value)


def choice(value: Any, allowed: tuple[str, ...], name: str) -> Any:
    """One of the words in `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
    return value


def weights(w: Any, m: int, name: str) -> np.ndarray:
    """Nonnegative row weights (m,)."""
    w = vector(w, m, name, "one entry per row of A")
    if m and w.min() < 0:
        raise ValueError(f"{name} must be nonnegative, got {w.min():g} at [{int(w.argmin())}]")
    return w


def labels(groups: Any, m: int, name: str) -> np.ndarray:
    """Group labels (m,) as integers 0, 1, ..."""
    groups = np.asarray(groups)
    if groups.shape != (m,):
        raise ValueError(f"{name} must have shape ({m},), one label per row of A; got {groups.shape}")
    return np.unique(groups, return_inverse=True)[1].reshape(m)


def terms(terms: Any, kind: type) -> list[Any]:
    """A list of terms."""
    found = [terms] if isinstance(terms, kind) else list(terms)
    for k, term in enumerate(found):
        if not isinstance(term, kind):
            raise TypeError(f"terms[{k}] must be an LpTerm, got {type(term).__name__}")
    return found


def unknowns(terms: Sequence[Any], Q: Any, q: Any, n: int | None) -> int:
    """The number of unknowns, from whatever tells it; all terms must agree."""
    if n is None:
        if terms:
            n = terms[0].A.shape[1]
        elif Q is not None:
            n = np.shape(Q)[0] if not sp.issparse(Q) else Q.shape[0]
        elif q is not None:
            n = np.size(q)
        else:
            raise ValueError("the problem has no term and no Q or q: the number n of unknowns must be given")
    for k, term in enumerate(terms):
        if term.A.shape[1] != n:
            raise ValueError(
                f"terms[{k}].A must have {n} columns like the other terms, got {term.A.shape[1]}"
            )
    return int(n)


def semidefinite(Q: Any, n: int, name: str) -> Any:
    """A symmetric positive semidefinite matrix (n, n)."""
    Q = matrix(Q, name)
    if Q.shape != (n, n):
        raise ValueError(f"{name} must have shape ({n}, {n}), got {Q.shape}")
    skew = abs(Q - Q.T).max() if n else 0.0
    size = abs(Q).max() if n else 0.0
    if skew > 1e-12 * size:
        raise ValueError(f"{name} must be symmetric, but {name} - {name}' has an entry of size {skew:g}")
    lowest = _lowest_eigenvalue(Q) if size else 0.0
    if lowest < -SEMIDEFINITE_TOL * size * n:
        raise ValueError(
            f"{name} must be positive semidefinite, but has the eigenvalue {lowest:g}: not a convex problem"
        )
    return Q


def constraint(E: Any, e: Any, n: int, left: str, right: str) -> tuple[Any, Any]:
    """The pair of a constraint matrix (k, n) and its right-hand side (k,), or (None, None)."""
    if E is None:
        if e is not None:
            raise ValueError(f"{right} was given without {left}")
        return None, None
    if not sp.issparse(E):
        E = np.atleast_2d(E)
    E = matrix(E, left)
    if E.shape[1] != n:
        raise ValueError(f"{left} must have {n} columns, one per unknown; got shape {E.shape}")
    if e is None:
        raise ValueError(f"{left} was given without {right}")
    if right == "h":
        return _without_infinite_rows(E, e)
    return E, vector(e, E.shape[0], right, f"one entry per row of {left}")


def bounds(lb: Any, ub: Any, n: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Bounds (n,) or None where none is finite."""
    low = _bound(lb, n, "lb", -np.inf)
    high = _bound(ub, n, "ub", np.inf)
    return low, high


def start(x0: Any, n: int, name: str) -> np.ndarray:
    """A starting point (n,)."""
    return vector(x0, n, name, "one entry per unknown").copy()


def hook(value: Any, name: str, form: str) -> None:
    """TypeError unless `value` is None or something to call; a class is most likely an instance forgotten."""
    if value is None or (callable(value) and not isinstance(value, type)):
        return
    what = f"the class {value.__name__}; make an instance" if isinstance(value, type) else f"{value!r:.80}"
    raise TypeError(f"{name} must be callable, {form}, got {what}")


def _bound(value: Any, n: int, name: str, none: float) -> np.ndarray | None:
    if value is None:
        return None
    value = _real(value, name)
    value = np.full(n, float(value)) if value.ndim == 0 else value.ravel() if value.size == n else value
    if value.shape != (n,):
        raise ValueError(f"{name} must be a number or have shape ({n},), got {value.shape}")
    wrong = np.isnan(value) | (value == -none)
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(f"{name}[{k}] is {value[k]}, which no x can satisfy")
    return value if np.isfinite(value).any() else None


def _without_infinite_rows(G: Any, h: Any) -> tuple[Any, Any]:
    h = _real(h, "h")
    h = np.full(G.shape[0], float(h)) if h.ndim == 0 else h.ravel()
    if h.shape != (G.shape[0],):
        raise ValueError(f"h must have shape ({G.shape[0]},), one entry per row of G; got {h.shape}")
    if np.isnan(h).any():
        raise ValueError(f"h[{int(np.argmax(np.isnan(h)))}] is nan")
    if (h == -np.inf).any():
        raise ValueError(f"h[{int(np.argmin(h))}] is -inf, which no x can satisfy")
    return G, h


def _real(a: Any, name: str) -> np.ndarray:
    _refuse_complex(a, name)
    try:
        return np.asarray(a, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of real numbers, got {type(a).__name__}: {error}") from None


def _refuse_complex(a: Any, name: str) -> None:
    if np.iscomplexobj(a):
        raise TypeError(
            f"{name} is complex; l_p minimization here is for real data. Stack real and imaginary parts as rows "
            "if the norm of the pair is what you mean"
        )


def _number(value: Any, name: str) -> float:
    if isinstance(value, str) or np.iscomplexobj(value) or np.ndim(value) != 0:
        raise TypeError(f"{name} must be one real number, got {value!r}")
    try:
        value = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be one real number, got {type(value).__name__}") from None
    if math.isnan(value):
        raise ValueError(f"{name} is nan")
    return value


def _refuse_nonfinite(a: np.ndarray, name: str, place: Any) -> None:
    # One pass at memory speed; a nonfinite sum of finite numbers (overflow) is caught by the second look.
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(a.sum()):
            return
    wrong = ~np.isfinite(a.ravel())
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(f"{name} must be finite, but {name}{place(k)} is {a.ravel()[k]}")


def _csr_row(A: Any, k: int) -> int:
    return int(np.searchsorted(A.indptr, k, side="right")) - 1


def _lowest_eigenvalue(Q: Any) -> float:
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    n = Q.shape[0]
    if not sp.issparse(Q):
        return float(eigh(Q, eigvals_only=True, subset_by_index=[0, 0])[0])
    if n <= 500:
        return float(eigh(Q.toarray(), eigvals_only=True, subset_by_index=[0, 0])[0])
    return float(eigsh(Q, k=1, which="SA", tol=1e-4, return_eigenvectors=False)[0])
