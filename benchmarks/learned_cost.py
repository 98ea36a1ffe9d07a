"""When a learned solver pays: time and accuracy against LAPACK, single and batched, n = 32, 64, 128.

One thread (set OMP_NUM_THREADS=1); minima over repeats. "network" is preconditioning, one look and four loops; "certified"
is `solve_linear` at rtol = 1e-12, whatever it takes. Throughput of the network is floating-point operations of its matrix
products over time, as a share of what one large matrix product reaches at the same precision. Iterations of FGMRES are
counted, not timed: ``--only krylov`` runs on any machine.

Run: python -m benchmarks.learned_cost
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from spectral_nn_algebraformer import Algebraformer, data, encode
from spectral_nn_algebraformer.objectives import grid_tensors
from spectral_nn_algebraformer.pretrained import load_network
from spectral_nn_algebraformer.solvers import CHUNK_TOKENS
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.learned_report import table
from spectral_nn import solve_linear
from spectral_nn.linear.krylov import FGMRES

SIZES = (32, 64, 128)
BATCH = 256
KRYLOV_COUNT = 64


def main(weights: str, device: str, only: str = "") -> None:
    torch.set_num_threads(1)
    krylov(weights, device)
    if only:
        return
    solver = Algebraformer(weights=weights, loops=4, device=device)
    full = Algebraformer(weights=weights, device=device)
    code = "from spectral_nn_algebraformer import Algebraformer as S; s = S(); print(f'{s.warm_up():.2f} {s.warm_up():.4f}')"
    times = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    print(f"warm-up of a fresh process (torch, weights, tables): {times[0]} s; again: {times[1]} s")
    full.warm_up()
    rows = []
    for n in SIZES:
        for batch in (1, BATCH):
            rows.append(one_case(solver, full, n, batch))
    head = ["n", "systems", "LAPACK, ms", "its error", "network, ms", "its median error", "LAPACK / network",
            "certified, ms", "its backward error", "LAPACK / certified"]  # fmt: skip
    table("cost", head, rows)
    many_right_hand_sides(solver)
    throughput(weights, device)


def one_case(solver: Algebraformer, full: Algebraformer, n: int, batch: int) -> list[Any]:
    A, b = data.systems("elliptic", n, data.draw(31, "test", 0, batch))
    b = b[:, :, 0]
    x = refined(A, b)
    lapack = best(lambda: np.linalg.solve(A, b[..., None]))
    network = best(lambda: solver.solve(solver.factor(A), b))
    certified = best(lambda: solve_linear(A, b, solver=full))
    raw = solver.solve(solver.factor(A), b).x
    answer = solve_linear(A, b, solver=full)
    plain = np.linalg.solve(A, b[..., None])[..., 0]
    return [
        n, batch, 1e3 * lapack, float(np.median(relative(plain, x))), 1e3 * network,
        float(np.median(relative(raw, x))), lapack / network, 1e3 * certified,
        float(np.max(answer.backward_error)), lapack / certified,
    ]  # fmt: skip


def many_right_hand_sides(solver: Algebraformer) -> None:
    """One matrix, a thousand right-hand sides: both factor once."""
    from scipy.linalg import lu_factor, lu_solve

    rows = []
    for n in SIZES:
        A = data.systems("elliptic", n, data.draw(31, "test", 0, 1))[0][0]
        B = np.random.default_rng(0).standard_normal((n, 1000))
        lu, state = lu_factor(A), solver.factor(A)
        times = [
            best(lambda A=A: lu_factor(A)), best(lambda lu=lu, B=B: lu_solve(lu, B)),
            best(lambda A=A: solver.factor(A)), best(lambda s=state, B=B: solver.solve(s, B)),
        ]  # fmt: skip
        rows.append([n, *(1e3 * t for t in times)])
    head = ["n", "LU factor, ms", "LU solve × 1000, ms", "network factor, ms", "4 loops × 1000, ms"]
    table("cost_many", head, rows)


def krylov(weights: str, device: str) -> None:
    """FGMRES to a relative residual of 1e-10 on rows of one size, with one look of the network as preconditioner."""
    rows = []
    for n in SIZES:
        A, b = data.systems("elliptic", n, data.draw(31, "test", 0, KRYLOV_COUNT))
        size = np.abs(A).max(axis=2, keepdims=True)
        A, b = A / size, b[:, :, 0] / size[:, :, 0]
        learned = Algebraformer(weights=weights, loops=1, device=device)
        steps = []
        for preconditioner in (None, learned):
            solver = FGMRES(rtol=1e-10, max_iterations=n, preconditioner=preconditioner)
            steps.append([solver.solve(solver.factor(a), c).iterations for a, c in zip(A, b, strict=True)])
        without, with_network = (np.array(s) for s in steps)
        rows.append(
            [n, KRYLOV_COUNT, float(np.median(without)), float(np.median(with_network)), int(without.max()),
             int(with_network.max()), f"{100 * (with_network < without).mean():.0f} %"]
        )  # fmt: skip
    head = [
        "n",
        "systems",
        "iterations without",
        "with the network",
        "most without",
        "most with",
        "fewer with",
    ]
    table("krylov", head, rows)


def throughput(weights: str, device: str) -> None:
    network = load_network(weights, device)
    rows = []
    for n in SIZES:
        A, _ = data.systems("elliptic", n, data.draw(31, "test", 0, 128))
        tokens = torch.from_numpy(encode.features(encode.precondition(A))).to(device)
        tables = {k: v.to(device) for k, v in grid_tensors(n).items()}
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(tokens, tables["integral"], tables["weights"])
        flops = counter.get_total_flops()
        for name, dtype in (("float32", None), ("bfloat16", torch.bfloat16)):
            kind = device.split(":")[0]
            # in pieces, as the solver does
            parts = tokens.split(max(CHUNK_TOKENS // n, 1) if kind == "cpu" else len(tokens))

            def look(parts: Any = parts, g: dict[str, torch.Tensor] = tables) -> None:
                for part in parts:
                    network(part, g["integral"], g["weights"])

            used = dtype or torch.float32
            rate = matrix_rate(used, device)
            with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=dtype is not None):
                seconds = best(look)
            rate = max(rate, matrix_rate(used, device))  # on a machine with other work, before and after
            speed = flops / seconds
            rows.append(
                [n, name, 1e6 * seconds / len(A), speed / 1e9, rate / 1e9, f"{100 * speed / rate:.0f} %"]
            )
    head = ["n", "precision", "network, µs per matrix", "GFLOP/s", "matrix product, GFLOP/s", "share"]
    table("throughput", head, rows)


def matrix_rate(dtype: torch.dtype, device: str) -> float:
    a = torch.randn(1024, 1024, dtype=dtype, device=device)
    return 2 * 1024**3 / best(lambda: a @ a)


def refined(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """LU with one step of refinement in extended precision: the reference."""
    x = np.linalg.solve(A, b[..., None])[..., 0]
    residual = b - np.einsum("bij,bj->bi", A.astype(np.longdouble), x.astype(np.longdouble))
    return x + np.linalg.solve(A, residual.astype(float)[..., None])[..., 0]


def relative(x: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x - truth, axis=1) / np.linalg.norm(truth, axis=1)


def best(f: Callable[[], Any], seconds: float = 0.8) -> float:
    f()
    out, began = [], time.perf_counter()
    while len(out) < 3 or (time.perf_counter() - began < seconds and len(out) < 200):
        start = time.perf_counter()
        f()
        out.append(time.perf_counter() - start)
    return min(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", default="elliptic")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", choices=["", "krylov"], help="one table alone")
    main(**vars(parser.parse_args()))
