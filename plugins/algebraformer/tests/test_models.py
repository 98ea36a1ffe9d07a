"""Networks: sizes as published, symmetries, masks (export: test_export)."""

import numpy as np
import pytest
import torch
from spectral_nn_algebraformer import data, denoise, encode, spd
from spectral_nn_algebraformer.models import build, count_parameters
from spectral_nn_algebraformer.models.algebraformer import Algebraformer, AlgebraformerConfig, column_tokens
from spectral_nn_algebraformer.models.linear_transformer import LinearTransformer, LinearTransformerConfig
from spectral_nn_algebraformer.objectives import grid_tensors

SMALL = {"kind": "green", "width": 16, "depth": 1, "heads": 2, "green_heads": 2, "rank": 3}


def green_inputs(n=24, count=2, family="elliptic"):
    A, _ = data.systems(family, n, data.draw(1, "test", 0, count))
    tokens = torch.from_numpy(encode.features(encode.precondition(A)))
    tables = grid_tensors(n)
    return tokens, tables["integral"], tables["weights"]


def test_parameter_counts():
    assert 9.4e6 < count_parameters(build({"kind": "algebraformer"})) < 9.6e6  # 9.5 M as published
    assert 9.3e6 < count_parameters(build({"kind": "recurrent", "cell": "lstm"})) < 9.8e6
    assert 9.3e6 < count_parameters(build({"kind": "recurrent", "cell": "gru", "width": 448})) < 9.8e6
    assert count_parameters(build({"kind": "green"})) < 0.5e6


def test_parameters_of_block_weights_do_not_depend_on_n():
    assert count_parameters(build({"kind": "linear_transformer"})) == 4 * 4 * 2 * 25
    lean = {"kind": "linear_transformer", "layers": 8, "identities": 1, "ones": "none", "linear": True}
    assert count_parameters(build(lean)) == 8 * 4 * 2 * (2 * 2 + 1)


def test_algebraformer_is_equivariant_to_permuting_tokens(rng):
    network = Algebraformer(AlgebraformerConfig(n=8, width=16, depth=2, heads=2)).eval()
    tokens = torch.randn(3, 8, 9)
    order = torch.from_numpy(rng.permutation(8))
    with torch.no_grad():
        assert torch.allclose(network(tokens)[:, order], network(tokens[:, order]), atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_causal_mask_hides_later_columns(causal):
    network = Algebraformer(AlgebraformerConfig(n=8, width=16, depth=2, heads=2, causal=causal)).eval()
    tokens = torch.randn(1, 8, 9)
    changed = tokens.clone()
    changed[:, 5:] += 1.0
    with torch.no_grad():
        difference = (network(tokens) - network(changed)).abs()[0]
    assert (difference[:5].max() == 0) == causal
    assert difference[5:].max() > 0


def test_column_tokens_hold_columns_and_right_hand_side(rng):
    A, b = torch.randn(2, 4, 4), torch.randn(2, 4)
    tokens = column_tokens(A, b)
    assert torch.equal(tokens[1, 2, :4], A[1, :, 2]) and tokens[1, 2, 4] == b[1, 2]


def test_one_set_of_weights_serves_every_grid():
    """As n grows, W tends to the same integral operator: its action on a smooth function converges."""
    network = build(SMALL).eval()
    values = []
    for n in (48, 96):
        tokens, integral, weights = green_inputs(n, family="diffusion")
        x = -torch.cos(torch.linspace(0, torch.pi, n))
        with torch.no_grad():
            W = network(tokens, integral, weights)
        u = (W @ torch.exp(x)[:, None]).squeeze(-1)
        t = torch.linspace(-0.9, 0.9, 7)
        values.append(np.stack([np.interp(t, x, row) for row in u.numpy()]))
    assert np.abs(values[0] - values[1]).max() < 5e-3 * np.abs(values[0]).max()


def test_green_network_starts_next_to_the_identity():
    tokens, integral, weights = green_inputs()
    with torch.no_grad():
        W = build(SMALL)(tokens, integral, weights)
    assert (W - torch.eye(24)).abs().max() < 0.2


def test_looped_network_is_fed_its_own_residual():
    network = build({"kind": "residual", "width": 16, "heads": 2}).eval()
    tokens, _, _ = green_inputs()
    M, c = torch.eye(24).expand(2, -1, -1), torch.randn(2, 24)
    with torch.no_grad():
        out = network(tokens, M, c, 3)
        scaled = network(tokens, M, 1e3 * c, 1)
    assert out.shape == (3, 2, 24)
    assert not torch.allclose(out[0], out[2])
    assert torch.isfinite(scaled).all()


def test_flattened_attention_has_n_squared_tokens():
    network = build({"kind": "flattened", "n": 4, "width": 16, "depth": 1, "heads": 2})
    seen = []
    network.blocks[0].register_forward_hook(lambda _, args, out: seen.append(out.shape))
    assert network(torch.randn(2, 4, 5)).shape == (2, 4)
    assert seen[0] == (2, 16, 16)


VARIANTS = [
    {"weights": "full", "n": 4, "embedding": 5},
    {},
    {"ones": "unit"},
    {"ones": "none", "identities": 1},
    {"ones": "none", "identities": 3},
]


def linear_transformer(**options):
    network = LinearTransformer(LinearTransformerConfig(layers=3, heads=2, **options)).double()
    with torch.no_grad():
        for p in network.parameters():
            p *= 3  # far from the small weights of the start, where nothing shows
    return network


def spd_tensors(count, n):
    return (torch.from_numpy(v) for v in spd.systems(1, "test", 0, count, n, (5.0, 5.0)))


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_linear_transformer_is_the_sum_of_the_paper(options):
    """e_i += Σ_heads Σ_j (e_jᵀ Q e_i) P e_j, written as the sum it is, with P and Q multiplied out."""
    network = linear_transformer(**options)
    A, b, _ = spd_tensors(2, 4)
    stream = torch.cat(network.tokens(A, b), dim=1)
    for layer in range(3):
        update = torch.zeros_like(stream)
        for head in range(2):
            P, Q = (weight.double() for weight in network.multiplied_out(layer, head, 4))
            for i in range(5):
                for j in range(4):
                    product = torch.einsum("bp,pq,bq->b", stream[:, j], Q, stream[:, i])
                    update[:, i] += product[:, None] * (stream[:, j] @ P.T)
        stream = stream + update
        assert torch.allclose(network(A, b)[layer], stream[:, 4, :4], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ones", ["plain", "unit", "none"])
def test_blocks_stand_for_identities_and_vectors_of_ones(ones):
    n = 5
    P, Q = (weight.detach() for weight in linear_transformer(ones=ones).multiplied_out(0, 1, n))
    eye = torch.eye(n, dtype=P.dtype)
    one = {"plain": 1.0, "unit": n**-0.5, "none": 0.0}[ones]
    for weight in (P, Q):
        h, a = weight[n + 1 : 2 * n + 1], weight[:n]
        assert torch.equal(a[:, :n], a[0, 0] * eye)
        assert torch.equal(h[:, :n], h[0, 0] * eye)
        assert torch.allclose(a[:, n], a[0, n].expand(n)) and (a[0, n] == 0) == (one == 0)
        assert weight[n, n] != 0


def test_linear_network_is_the_limit_of_small_b():
    limit = linear_transformer(ones="none", identities=2, linear=True)
    network = linear_transformer(ones="none", identities=2)
    network.load_state_dict(limit.state_dict())
    A, b, _ = spd_tensors(3, 6)
    exact = limit(A, b)[-1]
    errors = [
        float(((network(A, t * b)[-1] / t - exact).norm() / exact.norm()).detach()) for t in (1e-2, 1e-3)
    ]
    assert errors[0] < 1e-2 and errors[1] < 2e-2 * errors[0]  # the next term is of third order


def test_linear_network_gives_a_polynomial_in_a_for_any_right_hand_sides():
    network = linear_transformer(ones="none", identities=1, linear=True)
    A, b, x = spd_tensors(3, 6)
    W = network(A, torch.eye(6, dtype=A.dtype).expand(3, -1, -1))[-1]
    assert torch.allclose(W @ A, A @ W, atol=1e-10 * W.abs().max().item())
    assert torch.allclose((W @ b[..., None])[..., 0], network(A, b)[-1], atol=1e-12)
    both = network(A, torch.stack([b, x], dim=2))[-1]
    assert torch.allclose(both[..., 1], network(A, x)[-1], atol=1e-12)


def test_answers_without_ones_do_not_depend_on_n():
    """A system that is two smaller ones side by side has the answers of both, polynomials in A being what they are."""
    network = linear_transformer(ones="none", identities=1, linear=True)
    A, b, _ = spd_tensors(2, 6)
    big = torch.block_diag(A[0], A[1])[None]
    assert torch.allclose(network(big, b.reshape(1, -1))[-1][0], network(A, b)[-1].reshape(-1), atol=1e-12)


def test_linear_needs_block_weights_without_ones():
    with pytest.raises(ValueError, match=r"model\.linear"):
        LinearTransformerConfig(linear=True)
    with pytest.raises(ValueError, match=r"model\.ones"):
        LinearTransformerConfig(ones="few")


@pytest.mark.parametrize("ones", ["plain", "none"])
def test_block_linear_transformer_is_equivariant_to_relabelling_unknowns(ones, rng):
    network = linear_transformer(ones=ones)
    A, b, _ = spd_tensors(2, 6)
    order = torch.from_numpy(rng.permutation(6))
    with torch.no_grad():
        plain = network(A, b)[-1]
        moved = network(A[:, order][:, :, order], b[:, order])[-1]
    assert torch.allclose(plain[:, order], moved, rtol=1e-9)


def test_denoiser_integrates_exactly_when_it_corrects_nothing():
    from spectral_nn_algebraformer.models.denoiser import integrate

    A, b = data.systems("diffusion", 64, data.draw(1, "test", 0, 60))
    b = b[:, :, 0]
    readings = denoise.read(A, b, np.full(60, 1e-5))
    tables = {k: torch.from_numpy(v).double() for k, v in denoise.tables(64, 48).items()}
    parts = (
        torch.from_numpy(v) for v in (readings.readings[..., 0], readings.readings[..., 2], readings.ends)
    )
    u = integrate(*parts, tables).numpy() * readings.unit
    x = np.linalg.solve(A, b[..., None])[..., 0]
    error = np.linalg.norm(u - x, axis=1) / np.linalg.norm(x, axis=1)
    assert np.median(error) < 1e-6 and error.max() < 1e-2  # 64 points do not resolve every K


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ({"kind": "gren"}, "green"),
        ({"kind": "green", "widht": 4}, "width"),
        ({"kind": "recurrent", "cell": "rnn"}, "lstm"),
    ],
)
def test_unknown_network_options_name_the_nearest(model, word):
    with pytest.raises(ValueError, match=word):
        build(model)
