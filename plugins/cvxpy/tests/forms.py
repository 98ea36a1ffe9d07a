"""The ways people write l_p problems in CVXPY, each with the plain arrays of the same problem beside it.

A form is a function of a random generator and an exponent. It returns the CVXPY problem and, written down by
hand and not read from the expression, the :class:`reference.Statement` whose minimizer is known with proof.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from reference import Piece, Statement

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


@form
def equality(rng, p):
    A, b = data(rng)
    E, e = data(rng, 2)
    x = cp.Variable(N)
    constraint = E @ x == e
    return Form(
        cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [constraint]),
        fit(A, b, p, E=E, e=e),
        [x],
        [constraint],
    )


@form
def least_norm(rng, p):
    E, e = data(rng, 3, 9)
    x = cp.Variable(9)
    constraint = E @ x == e
    return Form(
        cp.Problem(cp.Minimize(cp.norm(x, p)), [constraint]),
        fit(np.eye(9), np.zeros(9), p, E=E, e=e),
        [x],
        [constraint],
    )


@form
def zero_constraint(rng, p):
    A, b = data(rng)
    E, e = data(rng, 2)
    x = cp.Variable(N)
    constraint = cp.Zero(e - E @ x)
    out = fit(A, b, p, "power", E=-E, e=-e)
    return Form(
        cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(A @ x - b), p))), [constraint]), out, [x], [constraint]
    )


@form
def inequality(rng, p):
    A, b = data(rng)
    G = rng.standard_normal((6, N))
    h = G @ rng.standard_normal(N) + 0.1
    x = cp.Variable(N)
    constraint = G @ x <= h
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [constraint])
    return Form(problem, fit(A, b, p, G=G, h=h), [x], [], [constraint])


@form
def greater_or_equal(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    constraint = cp.sum(x) >= 2
    problem = cp.Problem(cp.Maximize(-cp.norm(A @ x - b, p)), [constraint])
    return Form(problem, fit(A, b, p, G=-np.ones((1, N)), h=-2 * np.ones(1)), [x], [], [constraint])


@form
def nonneg_constraint(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    constraint = cp.NonNeg(2 * x - 0.1)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [constraint])
    return Form(problem, fit(A, b, p, G=-2 * np.eye(N), h=-0.1 * np.ones(N)), [x], [], [constraint])


@form
def box(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    low, high = x >= -0.05, x <= 0.1
    problem = cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(A @ x - b), p))), [low, high])
    G, h = np.vstack([-np.eye(N), np.eye(N)]), np.concatenate([np.full(N, 0.05), np.full(N, 0.1)])
    return Form(problem, fit(A, b, p, "power", G=G, h=h), [x], [], [low, high])


@form
def bound_of_a_slice(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    low = 3 * x[1:3] >= np.array([0.6, 0.9])
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)), [low])
    G = np.zeros((2, N))
    G[0, 1] = G[1, 2] = -3.0
    return Form(problem, fit(A, b, p, G=G, h=-np.array([0.6, 0.9])), [x], [], [low])


@form
def nonnegative_variable(rng, p):
    A, b = data(rng)
    x = cp.Variable(N, nonneg=True)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)))
    return Form(problem, fit(A, b, p, G=-np.eye(N), h=np.zeros(N)), [x])


@form
def variable_with_bounds(rng, p):
    A, b = data(rng)
    low, high = -0.1 * rng.random(N), 0.1 * rng.random(N)
    x = cp.Variable(N, bounds=[low, high])
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p)))
    return Form(
        problem, fit(A, b, p, G=np.vstack([-np.eye(N), np.eye(N)]), h=np.concatenate([-low, high])), [x]
    )


@form
def symmetric_variable(rng, p):
    T = rng.standard_normal((3, 3))
    S = cp.Variable((3, 3), symmetric=True)
    problem = cp.Problem(cp.Minimize(cp.pnorm(S - T, p)))
    rows, cols = np.triu_indices(3)
    number = np.zeros((3, 3), dtype=int)
    number[rows, cols] = number[cols, rows] = np.arange(6)
    A = np.eye(6)[number.reshape(-1, order="F")]
    entries = np.array([c * 3 + r for r, c in zip(rows, cols, strict=True)])
    return Form(problem, fit(A, T.reshape(-1, order="F"), p), [S], entries=entries)


@form
def diagonal_variable(rng, p):
    A, b = data(rng, M, 3)
    D = cp.Variable((3, 3), diag=True)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ (D @ np.ones(3)) - b, p)))
    return Form(problem, fit(A, b, p), [D], entries=np.array([0, 4, 8]))


@form
def parameters(rng, p):
    A, b = data(rng)
    PA, Pb, gamma = (
        cp.Parameter((M, N), value=A),
        cp.Parameter(M, value=b),
        cp.Parameter(nonneg=True, value=0.7),
    )
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.norm(PA @ x - Pb, p) + gamma * cp.sum_squares(x)))
    return Form(
        problem, Statement([Piece(A, b, p, "norm"), Piece(np.eye(N), np.zeros(N), 2, weight=0.7)], N), [x]
    )


@form
def location(rng, p):
    """A scalar variable, promoted."""
    b = rng.standard_normal(M)
    x = cp.Variable()
    return Form(cp.Problem(cp.Minimize(cp.norm(x - b, p))), fit(np.ones((M, 1)), b, p), [x])


@form
def cumulative_sum(rng, p):
    b = rng.standard_normal(8)
    x = cp.Variable(8)
    problem = cp.Problem(cp.Minimize(cp.norm(cp.cumsum(x) - b, p) + cp.sum_squares(x)))
    L = np.tril(np.ones((8, 8)))
    return Form(problem, Statement([Piece(L, b, p, "norm"), Piece(np.eye(8), np.zeros(8), 2)], 8), [x])


@form
def kronecker(rng, p):
    C, T = rng.standard_normal((2, 2)), rng.standard_normal((4, 6))
    X = cp.Variable((2, 3))
    problem = cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(cp.kron(C, X) - T), p))))
    columns = [np.kron(C, E.reshape(2, 3, order="F")).reshape(-1, order="F") for E in np.eye(6)]
    return Form(problem, fit(np.column_stack(columns), T.reshape(-1, order="F"), p, "power"), [X])


@form
def convolution(rng, p):
    c, b = rng.standard_normal(4), rng.standard_normal(9)
    x = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.norm(cp.convolve(c, x) - b, p)))
    return Form(problem, fit(np.column_stack([np.convolve(c, e) for e in np.eye(6)]), b, p), [x])


@form
def sparse_constant(rng, p):
    A = sp.random_array((60, 8), density=0.3, rng=rng, format="csc") + sp.eye_array(60, 8, format="csc")
    b = rng.standard_normal(60)
    x = cp.Variable(8)
    return Form(cp.Problem(cp.Minimize(cp.norm(A @ x - b, p))), fit(A.toarray(), b, p), [x])


@form
def several_exponents(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    problem = cp.Problem(
        cp.Minimize(cp.norm(A @ x - b, p) + 2 * cp.norm(x, 1.5) + 0.5 * cp.sum(cp.power(x, 4)))
    )
    I, o = np.eye(N), np.zeros(N)
    pieces = [Piece(A, b, p, "norm"), Piece(I, o, 1.5, "norm", 2.0), Piece(I, o, 4, weight=0.5)]
    return Form(problem, Statement(pieces, N), [x])


@form
def fewer_rows_than_unknowns(rng, p):
    A, b = data(rng, 4, 10)
    x = cp.Variable(10)
    problem = cp.Problem(cp.Minimize(cp.sum(cp.power(cp.abs(A @ x - b), p)) + 0.1 * cp.sum_squares(x)))
    return Form(problem, Statement([Piece(A, b, p), Piece(np.eye(10), np.zeros(10), 2, weight=0.1)], 10), [x])


@form
def power_of_square(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.sum(cp.power(cp.square(A @ x - b), 1.5))))
    return Form(problem, fit(A, b, 3.0, "power"), [x])


@form
def divided(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    statement = fit(A / 3, b / 3, p)
    statement.pieces[0].weight = 0.5
    return Form(cp.Problem(cp.Minimize(cp.norm((A @ x - b) / 3, p) / 2)), statement, [x])


@form
def cube_with_its_domain(rng, p):
    """``x ** 3`` is defined for x >= 0 alone: the domain binds."""
    A, b = data(rng)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.sum(x**3) + cp.norm(A @ x - b, p)))
    pieces = [Piece(np.eye(N), np.zeros(N), 3), Piece(A, b, p, "norm")]
    return Form(problem, Statement(pieces, N, G=-np.eye(N), h=np.zeros(N)), [x])


@form
def everything_at_once(rng, p):
    A, b = data(rng)
    E, G = rng.standard_normal((1, N)), rng.standard_normal((2, N))
    x = cp.Variable(N, bounds=[-1, None])
    equal, less, low = E @ x == 0.3, G @ x <= np.array([0.05, 0.1]), x[0] >= 0.02
    objective = cp.Minimize(cp.norm(A @ x - b, p) + cp.sum_squares(x) - 0.5 * cp.sum(x))
    G_all = np.vstack([G, -np.eye(N)[:1], -np.eye(N)])
    h_all = np.concatenate([[0.05, 0.1], [-0.02], np.ones(N)])
    pieces = [Piece(A, b, p, "norm"), Piece(np.eye(N), np.zeros(N), 2)]
    statement = Statement(pieces, N, None, np.full(N, -0.5), E, np.array([0.3]), G_all, h_all)
    return Form(cp.Problem(objective, [equal, less, low]), statement, [x], [equal], [less, low])


@form
def matrix_constraint(rng, p):
    """A matrix equality: its dual is a matrix."""
    T = rng.standard_normal((3, 4))
    X = cp.Variable((3, 4))
    C = rng.standard_normal((4, 2))
    constraint = X @ C == np.ones((3, 2))
    problem = cp.Problem(cp.Minimize(cp.pnorm(X - T, p)), [constraint])
    E = np.kron(C.T, np.eye(3))
    return Form(problem, fit(np.eye(12), T.reshape(-1, order="F"), p, E=E, e=np.ones(6)), [X], [constraint])


@form
def diagonal_entries_and_trace(rng, p):
    T = rng.standard_normal((3, 3))
    X = cp.Variable((3, 3))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X - T) + cp.norm(cp.diag(X), p) + cp.trace(X)))
    pick = np.eye(9)[[0, 4, 8]]
    pieces = [Piece(np.eye(9), T.reshape(-1, order="F"), 2), Piece(pick, np.zeros(3), p, "norm")]
    return Form(problem, Statement(pieces, 9, q=pick.sum(axis=0)), [X])


@form
def sums_along_an_axis(rng, p):
    T = rng.standard_normal((3, 4))
    X = cp.Variable((3, 4))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X - T) + cp.norm(cp.sum(X, axis=1) - 1, p)))
    S = np.kron(np.ones((1, 4)), np.eye(3))
    pieces = [Piece(np.eye(12), T.reshape(-1, order="F"), 2), Piece(S, np.ones(3), p, "norm")]
    return Form(problem, Statement(pieces, 12), [X])


@form
def picked_entries(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    mask = np.array([True, False, True, False])
    problem = cp.Problem(
        cp.Minimize(cp.norm(A @ x - b, p) + cp.sum_squares(x[[3, 0, 3]]) + cp.sum_squares(x[mask]))
    )
    I = np.eye(N)
    pieces = [Piece(A, b, p, "norm"), Piece(I[[3, 0, 3]], np.zeros(3), 2), Piece(I[mask], np.zeros(2), 2)]
    return Form(problem, Statement(pieces, N), [x])


@form
def variance(rng, p):
    A, b = data(rng)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.norm(A @ x - b, p) + cp.var(x)))
    centre = np.eye(N) - 1 / N
    return Form(
        problem, Statement([Piece(A, b, p, "norm"), Piece(centre, np.zeros(N), 2, weight=1 / N)], N), [x]
    )


@form
def broadcast_rows(rng, p):
    T = rng.standard_normal((5, 3))
    x = cp.Variable((1, 3))
    problem = cp.Problem(cp.Minimize(cp.pnorm(x - T, p)))
    return Form(problem, fit(np.kron(np.eye(3), np.ones((5, 1))), T.reshape(-1, order="F"), p), [x])


@form
def three_dimensional(rng, p):
    T = rng.standard_normal((2, 3, 2))
    X = cp.Variable((2, 3, 2))
    problem = cp.Problem(cp.Minimize(cp.pnorm(cp.vec(X - T, order="F"), p) + cp.sum_squares(X)))
    t = T.reshape(-1, order="F")
    return Form(problem, Statement([Piece(np.eye(12), t, p, "norm"), Piece(np.eye(12), 0 * t, 2)], 12), [X])
