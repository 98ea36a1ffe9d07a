"""Every network can be taken out of Python: torch.export of the forward pass, the size of the batch left open."""

import numpy as np
import pytest
import torch
from spectral_nn_algebraformer import data, denoise, encode, spd
from spectral_nn_algebraformer.models import KINDS, build
from spectral_nn_algebraformer.objectives import grid_tensors

N = 16
TOY = {
    "green": {"width": 16, "depth": 1, "heads": 2, "green_heads": 2, "rank": 3},
    "residual": {"width": 16, "depth": 1, "heads": 2},
    "algebraformer": {"n": N, "width": 16, "depth": 1, "heads": 2},
    "recurrent": {"n": N, "width": 8, "depth": 1},
    "flattened": {"n": N, "width": 8, "depth": 1, "heads": 2},
    "denoiser": {"width": 16, "depth": 1, "heads": 2, "modes": 12},
    "reweighting": {"width": 8, "depth": 1},
    "linear_transformer": {"layers": 2, "heads": 2},
}
CASES: list[tuple[str, dict]] = [(kind, {}) for kind in KINDS] + [
    ("recurrent", {"cell": "gru"}),
    ("algebraformer", {"causal": True}),
    ("linear_transformer", {"weights": "full", "n": N, "embedding": 4}),
    ("linear_transformer", {"ones": "none", "linear": True}),
]


def inputs_of(kind: str, count: int) -> tuple[list, list]:
    """Arguments of forward for so many systems, and which of them grow with the batch."""
    A, b = data.systems("diffusion", N, data.draw(1, "test", 0, count))
    b = b[:, :, 0]
    if kind in ("green", "residual"):
        encoded = encode.precondition(A)
        tokens = torch.from_numpy(encode.features(encoded))
        if kind == "green":
            tables = grid_tensors(N)
            return [tokens, tables["integral"], tables["weights"]], [True, False, False]
        M, c = (torch.from_numpy(v).float() for v in (encoded.M, b))
        return [tokens, M, c, 3], [True, True, True, False]
    if kind == "denoiser":
        readings = denoise.read(A, b, np.full(count, 1e-3))
        parts = [readings.readings, readings.log_sigma, readings.ends]
        tables = {k: torch.from_numpy(v) for k, v in denoise.tables(N, TOY[kind]["modes"]).items()}
        return [*(torch.from_numpy(v).float() for v in parts), tables], [True] * 3 + [False]
    if kind == "reweighting":
        return [torch.randn(count, 2 * N, N), torch.randn(count, 2 * N), torch.full((count,), 3.0)], [
            True
        ] * 3
    if kind == "linear_transformer":
        A, b, _ = spd.systems(1, "test", 0, count, N, (5.0, 5.0))
        return [torch.from_numpy(A).float(), torch.from_numpy(b).float()], [True] * 2
    return [torch.randn(count, N, N + 1)], [True]


def flat(answer) -> list[torch.Tensor]:
    return list(answer) if isinstance(answer, tuple) else [answer]


@pytest.mark.parametrize(
    ("kind", "options"), CASES, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v))
)
def test_forward_is_exported_with_an_open_batch(kind, options):
    network = build({"kind": kind, **TOY[kind], **options}).eval()
    seen, grows = inputs_of(kind, 3)
    batch = torch.export.Dim("batch", min=1, max=1024)
    shapes = tuple(
        {0: batch} if g else {k: None for k in v} if isinstance(v, dict) else None
        for v, g in zip(seen, grows, strict=True)
    )
    exported = torch.export.export(network, tuple(seen), dynamic_shapes=shapes).module()
    other, _ = inputs_of(kind, 5)
    with torch.no_grad():
        for arguments in (seen, other):
            for found, expected in zip(flat(exported(*arguments)), flat(network(*arguments)), strict=True):
                assert found.shape == expected.shape
                assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
