"""Jacobi iteration, for matrices whose diagonal dominates: a complete spectral_nn plugin."""

from spectral_nn.linear import LinearSolution, Traits, matrix_of


class Jacobi:
    name = "jacobi"
    traits = Traits(summary="Jacobi iteration, for diagonally dominant A", structures=("dense", "sparse"))

    def factor(self, A):
        A = matrix_of(A)  # also from a LinearSystem
        diagonal = A.diagonal()
        if (diagonal == 0).any():
            raise ValueError("jacobi needs a diagonal without zeros")
        return A, diagonal

    def solve(self, state, b):
        A, diagonal = state
        scale = diagonal if b.ndim == 1 else diagonal[:, None]
        x = b / scale
        for _ in range(50):  # a few digits will do: the slot refines, checks, and falls back if need be
            x = x + (b - A @ x) / scale
        return LinearSolution(x, iterations=50)
