"""A CVXPY problem as the minimizer sees it: read once, put into numbers at every solve."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from spectral_nn import LpProblem, LpResult, LpTerm

from . import affine, constraints
from .affine import Affine
from .constraints import Row, Rows, read_constraints
from .interpret import AffineReader
from .objective import Objective, Term, read_objective
from .refusal import Refused
from .tape import Tape
from .variables import Layout

# From this many terms of one kind and exponent on they are stacked into one: a Python loop over terms costs
# more.
_MERGED_FROM = 4
_LINEAR = "a linear objective has no curvature; a linear-programming solver is for it"


@dataclass(frozen=True)
class Numbers:
    """The minimizer's problem at one set of parameter values.

    Attributes
    ----------
    problem : LpProblem
    rows : Rows
        The constraints, for the way back to dual values.
    outer : tuple (c, s) or None
        The objective is ``c * fun**s`` of the minimizer's, where a single norm stands inside a further power.
    constant : bool
        The objective is constant: any feasible point will do, and all multipliers vanish.
    """

    problem: LpProblem
    rows: Rows
    outer: tuple[float, float] | None
    constant: bool


class Reading:
    """A problem's expression tree, read.

    Use :func:`read`, which keeps the reading with the problem. Parameters enter through their values alone:
    :meth:`numbers` replays what depends on them.

    Attributes
    ----------
    layout : Layout
        The unknowns.
    objective : Objective
    terms : list of Term
    last : LpResult or None
        The last result that converged.
    """

    def __init__(self, problem: cp.Problem) -> None:
        self.tape = Tape()
        self.layout = Layout(problem.variables())
        reader = AffineReader(self.tape, self.layout)
        self.objective: Objective = read_objective(problem.objective, reader)
        self.constraints: list[Row] = read_constraints(problem.constraints, reader)
        self.constraints += [
            Row(self.tape.apply(lambda a: affine.scaled(a, -1.0), node), False, None)
            for node in self.objective.nonneg
        ]
        if self.objective.linear and not (self.objective.terms or self.objective.quadratics):
            raise Refused(problem.objective, _LINEAR)
        self.last: LpResult | None = None
        self._fresh = True

    @property
    def terms(self) -> list[Term]:
        """The l_p terms of the objective."""
        return self.objective.terms

    def numbers(self) -> Numbers:
        """The minimizer's problem at the present parameter values.

        Raises
        ------
        ValueError
            Where the data contain NaN or Inf.
        """
        if not self._fresh:
            self.tape.replay()
        self._fresh = False
        rows = constraints.instantiate(self.constraints, self.layout)
        outer = self._outer()
        try:
            terms = self._lp_terms()
            Q, squares = self._quadratics()
            terms += squares
            q = self._linear()
            constant = not terms and Q is None
            if constant and q is not None and np.any(q):
                raise Refused(None, _LINEAR)
            # A constant objective is minimized by every feasible point: the one of least norm is taken.
            ridge = 1.0 if constant else 0.0
            bounds = {"lb": rows.lb, "ub": rows.ub} if rows.bounded else {}
            problem = LpProblem(
                terms,
                ridge=ridge,
                Q=Q,
                q=q,
                E=rows.E,
                e=rows.e,
                G=rows.G,
                h=rows.h,
                n=self.layout.size,
                **bounds,
            )
        except ValueError as error:
            self._explain(rows, error)
            if self.objective.quadratics and "semidefinite" in str(error):  # assume_PSD=True of what is not
                source = self.objective.quadratics[0].source
                raise Refused(source, f"its matrix is indefinite ({error})") from error
            raise
        return Numbers(problem, rows, outer, constant)

    def value(self, numbers: Numbers, fun: float) -> float:
        """The user's objective, where the minimizer's is `fun`."""
        if numbers.constant:
            fun = 0.0
        elif numbers.outer is not None:
            factor, power = numbers.outer
            fun = factor * fun**power
        return self.objective.sign * (fun + self.objective.constant())

    def dual_start(self, problem: LpProblem, x0: np.ndarray) -> list[np.ndarray] | None:
        """The duals of the last solve, where `x0` is still its answer and the terms are still of its
        shape."""
        last = self.last
        if (
            last is None
            or len(last.dual) != len(problem.terms)
            or np.abs(last.x - x0).max(initial=0.0) > 1e-6
        ):
            return None
        fits = all(len(y) == term.A.shape[0] for y, term in zip(last.dual, problem.terms, strict=True))
        return list(last.dual) if fits else None

    def size(self, numbers: Numbers, x: np.ndarray) -> float:
        """The sizes of the objective's parts at `x`, added: what its rounding is relative to."""
        problem = numbers.problem
        parts = [abs(self.objective.constant()), *(abs(term.value(x)) for term in problem.terms)]
        parts += [] if problem.q is None else [float(np.abs(problem.q) @ np.abs(x))]
        parts += [] if problem.Q is None else [float(np.abs(x) @ (abs(problem.Q) @ np.abs(x)))]
        total = sum(parts)
        return total if numbers.outer is None else total + abs(self.value(numbers, total))

    def rounding(self, numbers: Numbers, x: np.ndarray) -> float:
        """The objective at `x` if no residual cancelled: its last digit is the noise of the value."""
        total = 0.0
        for t in numbers.problem.terms:
            uncancelled = LpTerm(abs(t.A), -np.abs(t.b), t.p, t.weight, t.kind, t.row_weights, t.groups)
            total += uncancelled.value(np.abs(x))
        return total + self.size(numbers, x)

    def _lp_terms(self) -> list[LpTerm]:
        parts: dict[tuple[float, bool], list[tuple[Term, Affine, np.ndarray, np.ndarray]]] = {}
        for term in self.terms:
            residual: Affine = term.residual.value
            norm = term.groups is not None and not _same(term.power, term.p)
            weights, groups = _row_factors(term, residual.size)
            if weights is None:
                continue
            parts.setdefault((term.p, norm), []).append((term, residual, weights, groups))
        out = []
        for (p, norm), same in parts.items():
            if len(same) >= _MERGED_FROM:
                out.append(self._merged(p, norm, same))
            else:
                out += [self._lp_term(p, norm, *part) for part in same]
        return out

    def _merged(
        self, p: float, norm: bool, same: list[tuple[Term, Affine, np.ndarray, np.ndarray]]
    ) -> LpTerm:
        residual = affine.stacked([part[1] for part in same])
        weights = np.concatenate([np.broadcast_to(part[2], part[1].size) for part in same])
        labels, count = [], 0
        for _, _, _, groups in same:
            labels.append(groups + count)
            count += int(groups.max(initial=-1)) + 1
        return self._lp_term(p, norm, same[0][0], residual, weights, np.concatenate(labels))

    def _lp_term(
        self, p: float, norm: bool, term: Term, residual: Affine, row: np.ndarray, groups: np.ndarray
    ) -> LpTerm:
        """Rows weigh inside the sum, ``sum_i row_i |r_i|^p``; LpTerm wants them inside the power."""
        scale = affine.common_scale(residual)  # 2 (A x) - b is 2 (A x - b/2): A itself stays shared
        weight, row_weights = 1.0, None
        if row.size == 1:
            weight = float(row[0]) ** (1 / p) if norm else float(row[0])
        else:
            row_weights = row ** (1 / p)
        if scale != 1.0 and 1e-30 < abs(scale) < 1e30:
            residual = affine.scaled(residual, 1.0 / scale)
            weight *= abs(scale) if norm else abs(scale) ** p
        A = affine.columns(residual, self.layout.places, self.layout.size)
        many = norm and groups.size and groups.max() > 0
        return LpTerm(
            A, -residual.offset, p, weight=weight, kind="norm" if norm else "power", row_weights=row_weights,
            groups=groups if many else None,
        )  # fmt: skip

    def _quadratics(self) -> tuple[Any, list[LpTerm]]:
        """The quadratic forms: x'Px goes into Q, (A x - b)'P(A x - b) becomes a sum of squares."""
        Q: Any = None
        squares = []
        for part in self.objective.quadratics:
            residual: Affine = part.residual.value
            P = affine.as_matrix(part.matrix.value)
            weight = float(part.weight.value[0])
            if weight == 0:
                continue
            A = affine.columns(residual, self.layout.places, self.layout.size)
            plain = all(isinstance(block.matrix, affine.Selection) for block in residual.blocks.values())
            if plain and not np.any(residual.offset):
                extra = weight * (A.T @ (P @ A))
                extra = extra + extra.T
                Q = (
                    extra
                    if Q is None
                    else Q + extra
                    if _alike(Q, extra)
                    else affine.dense(Q) + affine.dense(extra)
                )
            else:
                # Squares of residuals keep the digits that x'A'PAx - 2 b'PAx + b'Pb would cancel.
                root = _root(weight * P, part.source)
                squares.append(LpTerm(root @ A, -(root @ residual.offset), 2.0, kind="power"))
        return Q, squares

    def _linear(self) -> np.ndarray | None:
        if not self.objective.linear:
            return None
        q = np.zeros(self.layout.size)
        for node, factors in self.objective.linear:
            value: Affine = node.value
            full = np.broadcast_to(factors.value, value.size)
            for key, block in value.blocks.items():
                matrix = block.matrix.matrix() if isinstance(block.matrix, affine.Selection) else block.matrix
                q[self.layout.places[key]] += block.scale * np.asarray(matrix.T @ full).reshape(-1)
        return q

    def _outer(self) -> tuple[float, float] | None:
        term = self.objective.outer
        if term is None:
            return None
        weight = float(term.weights.value[0])
        return weight, term.power

    def _explain(self, rows: Rows, error: ValueError) -> None:
        """Raise CVXPY's own sentence where the data are not finite."""
        pieces: list[Any] = [rows.E, rows.e, rows.G, rows.h]
        for term in self.terms:
            pieces += [term.weights.value, term.residual.value.offset]
            pieces += [block.matrix for block in term.residual.value.blocks.values()]
        for part in self.objective.quadratics:
            pieces += [part.matrix.value, part.weight.value, part.residual.value.offset]
        for node, factors in self.objective.linear:
            pieces += [factors.value, *(block.matrix for block in node.value.blocks.values())]
        for piece in pieces:
            if piece is None or isinstance(piece, affine.Selection):
                continue
            if not np.all(np.isfinite(piece.data if sp.issparse(piece) else piece)):
                raise ValueError(constraints.NOT_FINITE) from error


_READINGS: weakref.WeakKeyDictionary[cp.Problem, Reading] = weakref.WeakKeyDictionary()


def read(problem: cp.Problem) -> Reading:
    """The reading of `problem`; its tree is looked at the first time only.

    Parameters
    ----------
    problem : cvxpy.Problem

    Returns
    -------
    Reading

    Raises
    ------
    Refused
        Where the problem is not of the minimizer's kind; the message names the sub-expression and the reason.
    """
    reading = _READINGS.get(problem)
    if reading is None:
        reading = _READINGS[problem] = Reading(problem)
    return reading


def is_read(problem: cp.Problem) -> bool:
    """Whether :func:`read` has been through this problem."""
    return problem in _READINGS


def _row_factors(term: Term, size: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Factors of the rows inside the sum (one for all, or one each) and the group of each row; None if all
    vanish."""
    weights = term.weights.value
    groups = np.arange(size) if term.groups is None else term.groups
    if weights.size and weights.min() < 0:
        raise Refused(term.source, "it enters the objective with a negative factor")
    norm = term.groups is not None and not _same(term.power, term.p)
    factors = weights**term.p if norm else weights
    if term.groups is not None and norm and not _same(term.power, 1.0):
        factors = np.ones(1)  # inside a further power: the factor does not move the minimizer
    if factors.size > 1:
        factors = factors[groups]
    if term.rows is not None:
        factors = factors * term.rows.value
    return (factors if factors.any() else None), groups


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-12 * max(abs(a), abs(b))


def _alike(a: Any, b: Any) -> bool:
    return sp.issparse(a) == sp.issparse(b)


def _root(P: Any, source: Any) -> np.ndarray:
    """R with R'R = P, of as many rows as P has rank."""
    full = affine.dense(P)
    values, vectors = np.linalg.eigh(0.5 * (full + full.T))
    top = float(np.abs(values).max(initial=0.0))
    if np.any(values < -1e-9 * top):  # CVXPY checks the sign too; assume_PSD=True does not
        raise Refused(source, "its matrix is indefinite")
    kept = values > np.finfo(float).eps * len(values) * top
    return np.sqrt(values[kept])[:, None] * vectors[:, kept].T
