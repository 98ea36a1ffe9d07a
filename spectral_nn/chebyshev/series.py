"""`ChebSeries`: a function on an interval as a piecewise Chebyshev series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from . import analysis, arithmetic, construct
from .grid import Array, points, to_reference
from .nonuniform import evaluate, is_faster
from .transform import values_to_coefficients

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Evaluation this far outside the domain, relative to its length, is rounding and not extrapolation.
ROUNDING = 1e-12


class ChebSeries:
    """A piecewise polynomial, one Chebyshev series per piece.

    Parameters
    ----------
    breakpoints : array_like, shape (E + 1,)
        Strictly increasing; the first and last are the ends of the domain.
    coefficients : sequence of E array_like, or ndarray of shape (E, n)
        Chebyshev coefficients of each piece, in the variable of the piece mapped to [-1, 1]; lengths may
        differ; real or complex.

    Notes
    -----
    At an inner break point the value is that of the piece to the right; `jump` gives the difference there.
    Objects are immutable: every operation returns a new series.

    Examples
    --------
    >>> import numpy as np
    >>> from spectral_nn.chebyshev import ChebSeries
    >>> u = ChebSeries.from_function(np.sin, (0, 10))
    >>> bool(abs(u(3.0) - np.sin(3.0)) < 1e-14), bool(abs(u.sum() - (1 - np.cos(10))) < 1e-14)
    (True, True)
    >>> (u.roots() / np.pi).round(12)
    array([0., 1., 2., 3.])
    """

    __slots__ = ("_breaks", "_derivatives", "_flat", "_known", "_offsets")
    __array_ufunc__ = None  # so that ndarray * series is refused here, not turned into an array of objects

    def __init__(self, breakpoints: ArrayLike, coefficients: Sequence[ArrayLike] | Array) -> None:
        breaks = np.array(breakpoints, dtype=float)
        if (
            breaks.ndim != 1
            or breaks.size < 2
            or not np.isfinite(breaks).all()
            or not (np.diff(breaks) > 0).all()
        ):
            raise ValueError(
                f"breakpoints must be two or more finite numbers, strictly increasing; got {breaks}"
            )
        self._breaks = breaks
        self._flat, self._offsets = _flatten(coefficients, breaks.size - 1)
        self._derivatives: dict[int, ChebSeries] = {}
        self._known: tuple[Callable[[int], ChebSeries], int] | None = None
        for a in (self._breaks, self._flat, self._offsets):
            a.flags.writeable = False

    @classmethod
    def from_function(
        cls,
        f: Callable[[Array], ArrayLike],
        domain: tuple[float, float] = (-1.0, 1.0),
        breakpoints: Sequence[float] = (),
        *,
        tol: float = construct.EPS,
        max_degree: int = construct.MAX_DEGREE,
    ) -> ChebSeries:
        """Sample `f` on finer and finer grids until its coefficients reach a plateau, piece by piece.

        Parameters
        ----------
        f : callable
            Takes an array of points and returns as many values, real or complex.
        domain : (float, float)
        breakpoints : sequence of float
            Inner points where f or a derivative jumps.
        tol : float
            Relative level at which the coefficients are chopped.
        max_degree : int
            Per piece.

        Raises
        ------
        ValueError
            Where f is not resolved at `max_degree`, is not finite, or returns the wrong number of values.
        """
        breaks = construct.merge_breaks(domain, breakpoints)
        return cls(breaks, construct.adaptive(f, breaks, tol, max_degree))

    @classmethod
    def from_values(
        cls, values: ArrayLike, domain: tuple[float, float] = (-1.0, 1.0), kind: int = 2
    ) -> ChebSeries:
        """One piece through values at ascending Chebyshev points of `domain`, shape (n,)."""
        v = np.asarray(values)
        if v.ndim != 1:
            raise ValueError(f"values must be one-dimensional; got shape {v.shape}")
        return cls(domain, [values_to_coefficients(v, kind)])

    @property
    def domain(self) -> tuple[float, float]:
        return float(self._breaks[0]), float(self._breaks[-1])

    @property
    def breakpoints(self) -> Array:
        """Ends of the pieces, shape (E + 1,), read-only."""
        return self._breaks

    @property
    def coefficients(self) -> list[Array]:
        """Chebyshev coefficients of each piece, read-only views."""
        return np.split(self._flat, self._offsets[1:-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._flat.dtype

    @property
    def pieces(self) -> int:
        return self._breaks.size - 1

    @property
    def degree(self) -> int:
        """Largest degree of a piece."""
        return int(np.diff(self._offsets).max()) - 1

    def __len__(self) -> int:
        """Number of coefficients in all."""
        return self._flat.size

    def __call__(self, x: ArrayLike, k: int = 0, *, extrapolate: bool = False) -> Any:
        """Value, or k-th derivative, at x.

        Parameters
        ----------
        x : array_like
            Any shape; nan gives nan.
        k : int
            Order of the derivative.
        extrapolate : bool
            Allow points outside the domain, where the outer pieces are continued.

        Returns
        -------
        ndarray of the shape of x, or a scalar
        """
        if k:
            return self.diff(k)(x, extrapolate=extrapolate)
        from .kernels import clenshaw

        t = np.asarray(x, dtype=float)
        flat = np.ascontiguousarray(t).reshape(-1)
        if not extrapolate and flat.size:
            self._check_inside(flat)
        if self.pieces == 1 and not extrapolate and is_faster(len(self), flat.size):
            out = evaluate(self._flat, to_reference(flat, self.domain))
        else:
            out = np.empty(flat.size, dtype=self._flat.dtype)
            clenshaw(self._breaks, self._flat, self._offsets, flat, out)
        return out[0] if t.ndim == 0 else out.reshape(t.shape)

    def diff(self, k: int = 1) -> ChebSeries:
        """k-th derivative, piece by piece (jumps contribute nothing); the results are kept."""
        if k < 0 or k != int(k):
            raise ValueError(f"k must be a whole number, at least 0; got {k!r}")
        if k == 0:
            return self
        if k not in self._derivatives:
            if self._known is not None and k <= self._known[1]:
                self._derivatives[k] = self._known[0](k)
                return self._derivatives[k]
            from .kernels import differentiate

            lower = self.diff(k - 1)
            self._derivatives[k] = lower._calculus(differentiate, np.maximum(np.diff(lower._offsets) - 1, 1))
        return self._derivatives[k]

    def with_derivatives(self, derivative: Callable[[int], ChebSeries], up_to: int) -> ChebSeries:
        """The same function, with derivatives of order 1 to `up_to` known better than by differentiation.

        ``derivative(k)`` is called when the k-th one is first asked for; higher ones follow from the last.
        """
        out = self._like(self._flat)
        out._known = (derivative, up_to)
        return out

    def cumsum(self) -> ChebSeries:
        """The continuous antiderivative that is 0 at the left end of the domain."""
        from .kernels import antiderivative

        return self._calculus(antiderivative, np.diff(self._offsets) + 1)

    def integrate(self, a: float | None = None, b: float | None = None) -> Any:
        """Integral from a to b, by default over the whole domain."""
        primitive = self.cumsum()
        lo, hi = self.domain
        return primitive(hi if b is None else b) - primitive(lo if a is None else a)

    def sum(self) -> Any:
        """Integral over the domain."""
        return self.integrate()

    def jump(self, x0: float, k: int = 0) -> Any:
        """Value from the right minus value from the left of x0, k-th derivative; 0 off the break points."""
        self._check_inside(np.array([float(x0)]))
        return analysis.jump(self.diff(k), float(x0))

    def roots(self, *, jumps: bool = True) -> Array:
        """Real zeros in the domain, ascending.

        With `jumps`, also break points across which a real series changes sign.  Pieces that are identically
        zero contribute none.
        """
        return analysis.roots(self, jumps)

    def extrema(self) -> tuple[Array, Array]:
        """Places and values of local extrema of a real series, with the ends and both sides of jumps."""
        return analysis.extrema(self)

    def min(self) -> float:
        return float(self.extrema()[1].min())

    def max(self) -> float:
        return float(self.extrema()[1].max())

    def argmin(self) -> float:
        """A place of the global minimum."""
        x, v = self.extrema()
        return float(x[np.argmin(v)])

    def argmax(self) -> float:
        """A place of the global maximum."""
        x, v = self.extrema()
        return float(x[np.argmax(v)])

    def norm(self, p: float = 2) -> float:
        """L^p norm over the domain for p = 1, 2 or infinity."""
        return analysis.norm(self, p)

    def restrict(self, breakpoints: ArrayLike) -> ChebSeries:
        """The same function on other pieces, all of them inside the domain; old breaks inside are kept."""
        breaks = np.asarray(breakpoints, dtype=float)
        self._check_inside(breaks)
        inner = self._breaks[(self._breaks > breaks[0]) & (self._breaks < breaks[-1])]
        breaks = np.union1d(breaks, inner)
        return type(self)(breaks, arithmetic.on_pieces(self, breaks))

    def simplify(self, tol: float = construct.EPS) -> ChebSeries:
        """Drop trailing coefficients below `tol` times the largest of the series."""
        return type(self)(self._breaks, arithmetic.trimmed(self.coefficients, tol))

    def conj(self) -> ChebSeries:
        return self._like(self._flat.conj())

    @property
    def real(self) -> ChebSeries:
        return self._like(self._flat.real.copy())

    @property
    def imag(self) -> ChebSeries:
        return self._like(self._flat.imag.copy())

    def __neg__(self) -> ChebSeries:
        return self._like(-self._flat)

    def __pos__(self) -> ChebSeries:
        return self

    def __abs__(self) -> ChebSeries:
        """|u| with break points at the zeros of u; real series."""
        return arithmetic.absolute(self)

    def __add__(self, other: ChebSeries | complex) -> ChebSeries:
        return arithmetic.add(self, other)

    __radd__ = __add__

    def __sub__(self, other: ChebSeries | complex) -> ChebSeries:
        return arithmetic.add(self, -other)

    def __rsub__(self, other: ChebSeries | complex) -> ChebSeries:
        return arithmetic.add(-self, other)

    def __mul__(self, other: ChebSeries | complex) -> ChebSeries:
        return arithmetic.multiply(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: ChebSeries | complex) -> ChebSeries:
        return arithmetic.divide(self, other)

    def __rtruediv__(self, other: ChebSeries | complex) -> ChebSeries:
        return arithmetic.divide(other, self)

    def __pow__(self, exponent: int) -> ChebSeries:
        return arithmetic.power(self, exponent)

    def __repr__(self) -> str:
        from .show import describe

        return describe(self)

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw the function; keywords go to `Axes.plot`.  Returns the Axes, shows nothing."""
        from .show import plot

        return plot(self, ax, **kw)

    def plot_coefficients(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw the sizes of each piece's coefficients, logarithmic.  Returns the Axes, shows nothing."""
        from .show import plot_coefficients

        return plot_coefficients(self, ax, **kw)

    def sample(self, per_piece: int) -> tuple[Array, Array]:
        """`per_piece` second-kind points on each piece and the one-sided values, (E, per_piece) each."""
        t = points(per_piece, 2)
        a, b = self._breaks[:-1, None], self._breaks[1:, None]
        return 0.5 * (a * (1 - t) + b * (1 + t)), analysis.piece_values(self, t)

    def _like(self, flat: Array) -> ChebSeries:
        out = object.__new__(type(self))
        out._breaks, out._offsets, out._flat, out._derivatives = self._breaks, self._offsets, flat, {}
        out._known = None
        flat.flags.writeable = False
        return out

    def _calculus(self, kernel: Any, lengths: Array) -> ChebSeries:
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.empty(offsets[-1], dtype=self._flat.dtype)
        kernel(self._breaks, self._flat, self._offsets, flat, offsets)
        out = self._like(flat)
        out._offsets = offsets
        return out

    def _check_inside(self, x: Array) -> None:
        lo, hi = self.domain
        slack = ROUNDING * (hi - lo)
        outside = (x < lo - slack) | (x > hi + slack)
        if outside.any():
            raise ValueError(
                f"x must lie in the domain [{lo:g}, {hi:g}]; got {x[outside][0]:g} "
                "(extrapolate=True continues the outer pieces)"
            )


def _flatten(coefficients: Sequence[ArrayLike] | Array, pieces: int) -> tuple[Array, Array]:
    """All coefficients in one float64 or complex128 array, and where each piece starts."""
    if isinstance(coefficients, np.ndarray) and coefficients.ndim == 2:
        count, n = coefficients.shape
        flat, lengths = coefficients.reshape(-1), np.full(count, n)
    else:
        arrays = [np.asarray(c) for c in coefficients]
        if any(c.ndim != 1 for c in arrays):
            raise ValueError("coefficients must be one one-dimensional array per piece")
        count, lengths = len(arrays), np.array([c.size for c in arrays], dtype=np.int64)
        flat = np.concatenate(arrays) if arrays else np.empty(0)
    if count != pieces:
        raise ValueError(f"coefficients must have one entry per piece: expected {pieces}, got {count}")
    if (lengths == 0).any():
        raise ValueError(f"coefficients of piece {int(np.argmin(lengths))} are empty; a zero piece is [0.0]")
    dtype = complex if np.iscomplexobj(flat) else float
    return np.array(flat, dtype=dtype), np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
