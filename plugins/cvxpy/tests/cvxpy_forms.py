"""The ways people write l_p problems in CVXPY, each with the plain arrays of the same problem beside it.

A form is a function of a random generator and an exponent. It returns the CVXPY problem and, written down by
hand and not read from the expression, the :class:`proven_minimizers.Statement` whose minimizer is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
from proven_minimizers import Piece, Statement

M, N = 24, 4


@dataclass
class Form:
    """`variables` stacked column-major are the reference's x; the constraints' duals its nu and mu, in
    order."""

    problem: cp.Problem
    statement: Statement
    variables: list[cp.Variable]
    equalities: list[cp.Constraint] = field(default_factory=list)
    inequalities: list[cp.Constraint] = field(default_factory=list)
    entries: np.ndarray | None = (
        None  # entries of the stacked variables that the reference's x holds; default all
    )


FORMS: dict[str, Callable[[np.random.Generator, float], Form]] = {}


def form(build: Callable[[np.random.Generator, float], Form]) -> Callable[[np.random.Generator, float], Form]:
    FORMS[build.__name__] = build
    return build


def data(rng: np.random.Generator, m: int = M, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((m, n)), rng.standard_normal(m)


def fit(A: np.ndarray, b: np.ndarray, p: float, kind: str = "norm", **more: object) -> Statement:
    statement = Statement([Piece(A, b, p, kind)], A.shape[1])
    for name, value in more.items():
        setattr(statement, name, value)
    return statement


def kron_rows(A: np.ndarray, k: int) -> np.ndarray:
    return np.kron(np.eye(k), A)


@form
def norm_of_residual(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    return Form(cp.Problem(cp.Minimize(cp.norm(A @ x - b, p))), fit(A, b, p), [x])


@form
def residual_with_the_other_sign(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    return Form(cp.Problem(cp.Minimize(cp.norm(b - A @ x, p))), fit(A, b, p), [x])


@form
def exact_pnorm(rng, p):
    A, b = data(rng)
    x, q = cp.Variable(N), p + 0.0123456789
    return Form(cp.Problem(cp.Minimize(cp.pnorm(A @ x - b, q, approx=False))), fit(A, b, q), [x])


@form
def rational_pnorm(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    norm = cp.pnorm(A @ x - b, p + np.pi / 100)
    return Form(cp.Problem(cp.Minimize(norm)), fit(A, b, float(norm.p)), [x])


@form
def scaled_residual(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    statement = fit(2 * A, b, p)
    statement.pieces[0].weight = 3.0
    return Form(cp.Problem(cp.Minimize(3 * cp.norm(2 * (A @ x) - b, p))), statement, [x])


@form
def sum_of_powers(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    return Form(cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(A @ x - b), p)))), fit(A, b, p, "power"), [x])


@form
def power_operator(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    return Form(cp.Problem(cp.Minimize(cp.sum(cp.abs(A @ x - b) ** p))), fit(A, b, p, "power"), [x])


@form
def norm_to_its_power(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    p = float(cp.pnorm(x, p).p)
    return Form(cp.Problem(cp.Minimize(cp.norm(A @ x - b, p) ** p)), fit(A, b, p, "power"), [x])


@form
def norm_squared(rng, p):
    """The whole objective inside a further power: the minimizer of the norm, the dual scaled by 2 f."""
    A, b = data(rng)
    x = cp.Variable(N)
    E = rng.standard_normal((1, N))
    constraint = E @ x == 1
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p) ** 2), [constraint])
    out = Form(problem, fit(A, b, p, E=E, e=np.ones(1)), [x], [constraint])
    out.statement.outer = 2.0  # type: ignore[attr-defined]
    return out


@form
def sum_of_squares_and_norm(rng, p):
    A, b = data(rng)
    C, d = data(rng, 7)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(A @ x - b) + 5 * cp.norm(C @ x - d, p)))
    return Form(problem, Statement([Piece(A, b, 2), Piece(C, d, p, "norm", 5.0)], N), [x])


@form
def quadratic_form_and_power(rng, p):
    A, b = data(rng)
    root = rng.standard_normal((N, N))
    P = root @ root.T
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.quad_form(x, P) + cp.sum(cp.power(cp.abs(A @ x - b), p))))
    return Form(problem, fit(A, b, p, "power", Q=2 * P), [x])


@form
def quadratic_form_of_affine(rng, p):
    A, b = data(rng)
    root, c = rng.standard_normal((N, N)), rng.standard_normal(N)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.quad_form(x - c, root @ root.T) + cp.norm(A @ x - b, p)))
    return Form(problem, Statement([Piece(root.T, root.T @ c, 2), Piece(A, b, p, "norm")], N), [x])


@form
def weights_by_multiply(rng, p):
    A, b = data(rng)
    w = rng.random(M) + 0.1
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.sum(cp.multiply(w, cp.power(cp.abs(A @ x - b), p)))))
    return Form(problem, Statement([Piece(A, b, p, rows=w)], N), [x])


@form
def weights_by_inner_product(rng, p):
    A, b = data(rng)
    w = rng.random(M)
    w[3] = 0.0
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(w @ cp.power(cp.abs(A @ x - b), p)))
    return Form(problem, Statement([Piece(A[w > 0], b[w > 0], p, rows=w[w > 0])], N), [x])


@form
def weights_inside_the_norm(rng, p):
    A, b = data(rng)
    w = rng.random(M) + 0.1
    x = cp.Variable(N)
    return Form(
        cp.Problem(cp.Minimize(cp.norm(cp.multiply(w, A @ x - b), p))), fit(w[:, None] * A, w * b, p), [x]
    )


@form
def maximize_the_negative(rng, p):
    A, b = data(rng)
    E = rng.standard_normal((2, N))
    x = cp.Variable(N)
    constraint = E @ x == np.array([1.0, -1.0])
    problem = cp.Problem(cp.Maximize(7 - cp.norm(A @ x - b, p)), [constraint])
    return Form(problem, fit(A, b, p, E=E, e=np.array([1.0, -1.0]), constant=-7.0), [x], [constraint])


@form
def maximize_linear_minus_power(rng, p):
    A, b = data(rng)
    c = rng.standard_normal(N)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Maximize(c @ x - cp.sum(cp.power(cp.abs(A @ x - b), p))))
    return Form(problem, fit(A, b, p, "power", q=-c), [x])


@form
def two_variables(rng, p):
    A, b = data(rng)
    B, _ = data(rng, M, 3)
    x, y = cp.Variable(N), cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x + B @ y - b, p) + cp.sum_squares(y)))
    regular = np.hstack([np.zeros((3, N)), np.eye(3)])
    pieces = [Piece(np.hstack([A, B]), b, p, "norm"), Piece(regular, np.zeros(3), 2)]
    return Form(problem, Statement(pieces, N + 3), [x, y])


@form
def matrix_variable(rng, p):
    A, _ = data(rng, 10)
    B = rng.standard_normal((10, 3))
    X = cp.Variable((N, 3))
    problem = cp.Problem(cp.Minimize(cp.pnorm(A @ X - B, p)))
    return Form(problem, fit(kron_rows(A, 3), B.reshape(-1, order="F"), p), [X])


@form
def matrix_times_constant(rng, p):
    C, B = rng.standard_normal((3, 9)), rng.standard_normal((N, 9))
    X = cp.Variable((N, 3))
    problem = cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(X @ C - B), p))))
    return Form(problem, fit(np.kron(C.T, np.eye(N)), B.reshape(-1, order="F"), p, "power"), [X])


@form
def slices_differences(rng, p):
    y = rng.standard_normal(9)
    x = cp.Variable(9)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - y) + 2 * cp.norm(x[1:] - x[:-1], p)))
    D = np.diff(np.eye(9), axis=0)
    return Form(problem, Statement([Piece(np.eye(9), y, 2), Piece(D, np.zeros(8), p, "norm", 2.0)], 9), [x])


@form
def stacked_horizontally(rng, p):
    A, b = data(rng)
    C, d = data(rng, 5, 3)
    x, y = cp.Variable(N), cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.norm(cp.hstack([A @ x - b, C @ y - d, y]), p)))
    whole = np.block([[A, np.zeros((M, 3))], [np.zeros((5, N)), C], [np.zeros((3, N)), np.eye(3)]])
    return Form(problem, fit(whole, np.concatenate([b, d, np.zeros(3)]), p), [x, y])


@form
def stacked_vertically(rng, p):
    x, y = cp.Variable(N), cp.Variable(N)
    T = rng.standard_normal((2, N))
    problem = cp.Problem(
        cp.Minimize(cp.sum(cp.power(cp.abs(cp.vstack([x, y, x + y]) - 1), p)) + cp.sum(T[0] @ x))
    )
    I, O = np.eye(N), np.zeros((N, N))
    order = np.arange(3 * N).reshape(3, N).reshape(-1, order="F")
    whole = np.block([[I, O], [O, I], [I, I]])[order]
    q = np.concatenate([T[0], np.zeros(N)])
    return Form(problem, fit(whole, np.ones(3 * N), p, "power", q=q), [x, y])


@form
def block_matrix(rng, p):
    X, y = cp.Variable((3, 2)), cp.Variable((3, 1))
    T = rng.standard_normal((3, 4))
    problem = cp.Problem(cp.Minimize(cp.pnorm(cp.bmat([[X, y, np.ones((3, 1))]]) - T, p) + cp.sum_squares(X)))
    whole = np.vstack([np.eye(9), np.zeros((3, 9))])
    t = T.reshape(-1, order="F") - np.concatenate([np.zeros(9), np.ones(3)])
    pieces = [Piece(whole, t, p, "norm"), Piece(np.eye(9)[:6], np.zeros(6), 2)]
    return Form(problem, Statement(pieces, 9), [X, y])


@form
def reshaped(rng, p):
    A, b = data(rng, M, 6)
    X = cp.Variable((2, 3))
    problem = cp.Problem(cp.Minimize(cp.norm(A @ cp.reshape(X, (6,), order="C") - b, p)))
    order = np.arange(6).reshape(2, 3).reshape(-1, order="F")
    return Form(problem, fit(A[:, order], b, p), [X])


@form
def transposed(rng, p):
    A, b = data(rng, M, 6)
    X = cp.Variable((2, 3))
    problem = cp.Problem(cp.Minimize(cp.norm(A @ cp.vec(X.T, order="F") - b, p)))
    order = np.arange(6).reshape(2, 3).reshape(-1, order="F")
    return Form(problem, fit(A[:, order], b, p), [X])


@form
def row_norms(rng, p):
    """Group lasso: a sum of Euclidean norms of rows."""
    A, B = rng.standard_normal((12, N)), rng.standard_normal((12, 3))
    X = cp.Variable((N, 3))
    problem = cp.Problem(
        cp.Minimize(cp.sum(cp.norm(A @ X - B, 2, axis=1)) + 0.1 * cp.sum(cp.power(cp.abs(X), p)))
    )
    groups = np.tile(np.arange(12), 3)
    first = Piece(kron_rows(A, 3), B.reshape(-1, order="F"), 2, "norm", groups=groups)
    return Form(problem, Statement([first, Piece(np.eye(3 * N), np.zeros(3 * N), p, weight=0.1)], 3 * N), [X])


@form
def weighted_column_norms(rng, p):
    A, B = rng.standard_normal((12, N)), rng.standard_normal((12, 3))
    w = rng.random(3) + 0.2
    X = cp.Variable((N, 3))
    problem = cp.Problem(cp.Minimize(w @ cp.norm(A @ X - B, 2, axis=0)))
    pieces = [Piece(A, B[:, k], 2, "norm", w[k]) for k in range(3)]
    for k, piece in enumerate(pieces):
        piece.A = np.hstack([A if j == k else np.zeros_like(A) for j in range(3)])
    return Form(problem, Statement(pieces, 3 * N), [X])


@form
def python_sum_of_norms(rng, p):
    x = cp.Variable(3)
    centres = rng.standard_normal((8, 3))
    problem = cp.Problem(cp.Minimize(sum(cp.norm(x - centre, p) for centre in centres)))
    return Form(problem, Statement([Piece(np.eye(3), centre, p, "norm") for centre in centres], 3), [x])
