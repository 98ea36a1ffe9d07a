"""The kit for plugin authors passes what is good and says, in a sentence, what is wrong with what is not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from spectral_nn.linear import LinearSolution, Traits, matrix_of
from spectral_nn.linear.direct import LU
from spectral_nn.linear.krylov import CG, FGMRES, GMRES
from spectral_nn.linear.registry import BUILT_IN
from spectral_nn.testing import ConformanceError, check_linear_solver, linear_solver_issues


@pytest.mark.parametrize("name", [n for n in BUILT_IN if n != "triangular"])
def test_built_in_solvers_conform(name: str) -> None:
    check_linear_solver(name)


def test_triangular_conforms_on_its_own_matrices() -> None:
    def lower(n: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
        return np.tril(rng.uniform(-1, 1, (n, n)).astype(dtype) / n) + np.eye(n)

    check_linear_solver("triangular", matrix=lower)


@pytest.mark.parametrize("solver", [GMRES(preconditioner="lu"), FGMRES(preconditioner="qr"), CG(rtol=1e-8)])
def test_configured_objects_conform(solver: Any) -> None:
    check_linear_solver(solver)


class Base:
    name = "base"
    traits = Traits(summary="inverts", exact=True)

    def factor(self, A: Any) -> Any:
        return np.linalg.inv(matrix_of(A))

    def solve(self, state: Any, b: np.ndarray) -> Any:
        return LinearSolution(state @ b)


class BareArray(Base):
    def solve(self, state: Any, b: np.ndarray) -> Any:
        return state @ b


class Flattens(Base):
    def solve(self, state: Any, b: np.ndarray) -> Any:
        return LinearSolution((state @ b).ravel())


class SinglePrecision(Base):
    def solve(self, state: Any, b: np.ndarray) -> Any:
        return LinearSolution((state @ b).astype(np.complex64 if np.iscomplexobj(state) else np.float32))


class NotExact(Base):
    def solve(self, state: Any, b: np.ndarray) -> Any:
        return LinearSolution((state @ b) * (1 + 1e-5))


class OverwritesB(Base):
    def solve(self, state: Any, b: np.ndarray) -> Any:
        x = state @ b
        b *= 0.5
        return LinearSolution(x)


class OverwritesA(Base):
    def factor(self, A: Any) -> Any:
        A = matrix_of(A)
        inverse = np.linalg.inv(A)
        A += 1
        return inverse


class KeepsState(Base):
    def factor(self, A: Any) -> Any:
        self.inverse = np.linalg.inv(matrix_of(A))
        return self

    def solve(self, state: Any, b: np.ndarray) -> Any:
        return LinearSolution(self.inverse @ b)


class Drifts(Base):
    def solve(self, state: Any, b: np.ndarray) -> Any:
        x = state @ b
        state *= 1 + 1e-9
        return LinearSolution(x)


class DividesByB(Base):
    def solve(self, state: Any, b: np.ndarray) -> Any:
        size = np.abs(b).max()
        with np.errstate(invalid="ignore"):
            return LinearSolution((state @ (b / size)) * size)


class AbsoluteTolerance(Base):
    def solve(self, state: Any, b: np.ndarray) -> Any:
        x = state @ b
        return LinearSolution(np.where(np.abs(x) > 1e-20, x, 0))


class NoBatch(Base):
    traits = Traits(summary="says it takes batches", exact=True, batched=True)

    def solve(self, state: Any, b: np.ndarray) -> Any:
        return LinearSolution(state @ b if state.ndim == 2 else (state @ b.T)[:, :, 0])


class OnlyRawMatrices(Base):
    def factor(self, A: Any) -> Any:
        return np.linalg.inv(A)


class NoNoise(Base):
    traits = Traits(summary="says it takes noise", noise=True)


class BadName(Base):
    name = "My Solver!"


class NoSummary(Base):
    traits = Traits()


class Hides(Base):
    def solve(self, state: Any, b: np.ndarray) -> Any:
        return LinearSolution(state @ b, x_error=None) if b.any() else LinearSolution(np.ones_like(b))


@pytest.mark.parametrize(
    "solver,sentence",
    [
        (BareArray, "solve returned a ndarray; expected a LinearSolution"),
        (Flattens, "expected the shape of b"),
        (SinglePrecision, "x is float32 for A float64"),
        (NotExact, "traits.exact, but the backward error"),
        (OverwritesB, "solve changed b"),
        (OverwritesA, "changed A; work on a copy"),
        (KeepsState, "keep nothing on the solver"),
        (Drifts, "another x the second time"),
        (DividesByB, "x is not finite for a well-conditioned system and b = 0"),
        (AbsoluteTolerance, "does not give x times 1e-30"),
        (NoBatch, "system 1 of a batch gives another x"),
        (OnlyRawMatrices, "raised"),
        (NoNoise, "unexpected keyword argument 'noise'"),
        (BadName, "name: expected lower-case letters"),
        (NoSummary, "traits.summary: expected a line"),
        (Hides, "b = 0 gave x of size"),
    ],
)
def test_breaches_are_named(solver: type, sentence: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_linear_solver(solver())
    assert any(sentence in issue for issue in caught.value.issues), caught.value


def test_what_is_no_solver_at_all() -> None:
    assert "lacks name, traits, factor, solve" in linear_solver_issues(object())[0]
    wrong = type("Wrong", (Base,), {"traits": {"exact": True}})()
    assert "expected spectral_nn.linear.Traits" in linear_solver_issues(wrong)[0]


def test_missing_requirements_are_said_and_nothing_is_run() -> None:
    traits = Traits(summary="x", requires=("no_such_module",))
    needy = type("Needy", (Base,), {"traits": traits, "factor": None})()
    assert linear_solver_issues(needy) == ["traits.requires: no_such_module not installed; nothing was run"]


def test_a_specialist_may_refuse_and_is_checked_on_its_own_matrices() -> None:
    class Circulant(Base):
        traits = Traits(summary="circulant matrices by FFT, to six digits")

        def factor(self, A: Any) -> Any:
            A = matrix_of(A)
            if not np.allclose(np.roll(A, (1, 1), (0, 1)), A):
                raise ValueError("A is not circulant")
            return np.fft.fft(A[:, 0]), np.iscomplexobj(A)

        def solve(self, state: Any, b: np.ndarray) -> Any:
            spectrum, is_complex = state
            x = np.fft.ifft(np.fft.fft(b, axis=0) / spectrum.reshape(-1, *[1] * (b.ndim - 1)), axis=0)
            return LinearSolution((x if is_complex else x.real) * (1 + 1e-7))

    def circulant(n: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
        column = rng.uniform(-1, 1, n).astype(dtype) / n
        column[0] += 3
        return np.array([np.roll(column, k) for k in range(n)]).T

    with pytest.warns(UserWarning, match=r"refused every test system.*A is not circulant.*pass matrix="):
        check_linear_solver(Circulant())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_linear_solver(Circulant(), matrix=circulant)


def test_sizes_are_respected() -> None:
    seen: list[int] = []

    class Sized(LU):
        traits = Traits(summary="n = 7", sizes=(7,), exact=True)

        def factor(self, A: Any) -> Any:
            seen.append(matrix_of(A).shape[-1])
            return super().factor(A)

    check_linear_solver(Sized())
    assert set(seen) == {7}
