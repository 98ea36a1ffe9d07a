"""Folders of weights: model.safetensors, config.json, README.md (the model card). Checked when read, loaded once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

SHIPPED = Path(__file__).parent / "weights"
#: Matrices with fewer entries stay float32 in int8 storage: there is nothing to save.
QUANTIZE_FROM = 4096


class WeightsError(ValueError):
    """Weights that are missing, altered, or made for something else."""


def shipped_weights() -> list[str]:
    """Names of the weights that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))


def folder(weights: str | Path) -> Path:
    """The folder of shipped weights by name, or of anyone's by path."""
    if not isinstance(weights, str | Path):
        raise TypeError(f"weights: expected the name of shipped weights or a folder, got {weights!r}")
    path = SHIPPED / str(weights) if (SHIPPED / str(weights)).is_dir() else Path(weights)
    if not (path / "config.json").is_file() or not (path / "model.safetensors").is_file():
        raise WeightsError(
            f"weights: no model.safetensors and config.json in {str(weights)!r}; shipped are "
            f"{', '.join(shipped_weights()) or 'none'}. Reinstall spectral-nn-algebraformer or give a folder."
        )
    return path


def config(weights: str | Path) -> dict[str, Any]:
    """The config.json of weights: model, recipe, training cost, metrics, sha256. Needs no torch."""
    path = folder(weights) / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise WeightsError(f"{path}: not valid JSON ({error}); reinstall or export again.") from error


def load_network(weights: str | Path, device: str = "cpu", kind: str | None = None) -> nn.Module:
    """The network with its weights, in evaluation mode; kept, so that weights are read once.

    Parameters
    ----------
    weights : str or Path
        Shipped weights by name, or a folder. Files that changed since are read again.
    device : str
    kind : str, optional
        The kind of network that is needed, a key of `models.KINDS`.

    Raises
    ------
    WeightsError
        If a file is missing, the checksum does not fit, the tensors are those of another network, or the network is of
        another kind.
    """
    path = folder(weights).resolve()
    stamps = tuple((path / name).stat() for name in ("config.json", "model.safetensors"))
    network, found = _load(path, str(weights), device, tuple((s.st_mtime_ns, s.st_size) for s in stamps))
    if kind is not None:
        check_kind(weights, found, kind)
    return network


def load_state(weights: str | Path, model: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors of weights to start training from; they must be of the same network."""
    settings = config(weights)
    if dict(settings["model"]) != dict(model):
        raise WeightsError(
            f"weights {weights!r} are of the network {settings['model']}, and the recipe's is {dict(model)}; "
            "give the recipe that model, or other weights."
        )
    return _tensors(folder(weights), settings)


def export(
    run: str | Path, target: str | Path, metrics: Mapping[str, Any], notes: str = "", storage: str = "float32"
) -> Path:
    """Write the weights of a run directory as a folder that `load_network` takes.

    Parameters
    ----------
    run : path
        A run directory of `train`, finished or not: the model card says how far it is.
    target : path
        The folder to write.
    metrics : mapping
        What `evaluate` measured; goes into config.json and the card.
    notes : str
        Limits, for the card.
    storage : {"float32", "int8"}
        How large matrices are written: as trained, or rounded to 255 levels per row, a quarter of the size.

    Notes
    -----
    The error band of a denoiser is calibrated here, on the validation stream of its recipe, unless the folder already
    holds the band of the same tensors. What `evaluate` measures later is the band that is shipped.
    """
    if storage not in ("float32", "int8"):
        raise ValueError(f"storage: expected 'float32' or 'int8', got {storage!r}")
    from safetensors.torch import save

    from . import checkpoint
    from .card import model_card

    tensors, meta = checkpoint.read(Path(run) / "checkpoint.safetensors")
    state = {k[8:]: v.contiguous() for k, v in tensors.items() if k.startswith("network.")}
    if storage == "int8":
        state = _quantized(state)
    target = Path(target)
    target.mkdir(parents=True, exist_ok=True)
    sha256 = checkpoint.digest(state)
    band = _band_of(target, sha256)
    (target / "model.safetensors").write_bytes(save(state, metadata={"format": "pt"}))
    settings = {
        "format": checkpoint.FORMAT,
        "name": meta["recipe"]["name"],
        "model": meta["recipe"]["model"],
        "recipe": meta["recipe"],
        "parameters": meta["parameters"],
        "storage": storage,
        "steps_done": meta["step"],
        "training_seconds": round(meta["seconds"]),
        "metrics": dict(metrics),
        "sha256": sha256,
    }
    if meta["recipe"]["data"]["objective"] == "noise":
        settings["band"] = band
        _write_config(target, settings)
        if band is None:
            from .evaluate import calibrate_band

            settings["band"] = calibrate_band(target)
    _write_config(target, settings)
    (target / "README.md").write_text(model_card(settings, notes), encoding="utf-8")
    return target


def check_kind(weights: str | Path, found: str, needed: str) -> None:
    """WeightsError for weights of another kind of network."""
    if found != needed:
        raise WeightsError(
            f"weights {str(weights)!r} hold a network of kind {found!r}; this solver needs one of {needed!r}."
        )


def check_device(device: str) -> None:
    """ValueError for a device that is not there."""
    if not isinstance(device, str):
        raise TypeError(f"device: expected a string such as 'cpu' or 'cuda:0', got {device!r}")
    import torch

    if device == "cpu":
        return
    kind, _, index = device.partition(":")
    if kind == "cuda" and (int(index) if index.isdigit() else 0) < torch.cuda.device_count():
        return
    if kind == "mps" and torch.backends.mps.is_available():
        return
    there = ", ".join(f"cuda:{i}" for i in range(torch.cuda.device_count())) or "only the CPU"
    raise ValueError(
        f"device: {device!r} is not there; torch {torch.__version__} sees {there}. Use device='cpu'."
    )


@lru_cache(maxsize=8)
def _load(path: Path, name: str, device: str, stamps: tuple[tuple[int, int], ...]) -> tuple[nn.Module, str]:
    """The network of a folder whose files have these times and sizes, and its kind."""
    from .models import build

    check_device(device)
    settings = config(path)
    network = build(settings["model"])
    _fill(network, _tensors(path, settings), name)
    return network.to(device).eval(), settings["model"]["kind"]


def _tensors(path: Path, settings: Mapping[str, Any]) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from .checkpoint import digest

    file = path / "model.safetensors"
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{file}: not a readable safetensors file ({error}); reinstall or export again."
        ) from error
    if digest(tensors) != settings.get("sha256"):
        raise WeightsError(f"{file}: the checksum is not the one in config.json; reinstall or export again.")
    return _dequantized(tensors)


def _write_config(target: Path, settings: Mapping[str, Any]) -> None:
    (target / "config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _band_of(target: Path, sha256: str) -> dict[str, list[float]] | None:
    """The calibrated band that a folder holds for the tensors of this checksum."""
    try:
        settings = config(target)
    except WeightsError:
        return None
    return settings.get("band") if settings.get("sha256") == sha256 else None


def _quantized(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices of some size as int8 with a scale per row; the rest as it is."""
    import torch

    out = {}
    for name, value in state.items():
        if value.ndim == 2 and value.numel() >= QUANTIZE_FROM:
            scale = value.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
            out[name + ".int8"] = torch.round(value / scale).to(torch.int8)
            out[name + ".scale"] = scale
        else:
            out[name] = value
    return out


def _dequantized(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    out = {k: v for k, v in tensors.items() if not k.endswith((".int8", ".scale"))}
    for name in (k.removesuffix(".int8") for k in tensors if k.endswith(".int8")):
        out[name] = tensors[name + ".int8"].float() * tensors[name + ".scale"]
    return out


def _fill(network: nn.Module, tensors: dict[str, Tensor], name: str) -> None:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(
            f"weights {name!r}: the tensors do not fit the network of config.json; {error}"
        ) from error
