"""Generators in files of their own: safetensors, whose header names the GAN and is its model card.

Those of this folder come with the package: ``gan_lightning.load("dcgan-mnist")``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.checkpointed import rebuilt_as_saved
from gan_lightning.engine.resuming import check_state
from gan_lightning.parts import find_class, name_of

FOLDER = Path(__file__).parent
ENTRIES = ("gan", "hyper_parameters", "updates", "card")
"""What each header has."""


def pretrained() -> dict[str, Path]:
    """The generators that come with the package: their files by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}


def save_generator(gan: AdversarialModule, path: str | Path, card: Mapping[str, Any], half: bool = True) -> None:
    """Write the generator that samples are drawn from: G's moving average, if there is one.

    Args:
        gan: What to write the generator of; D is left out.
        path: A file, which is replaced.
        card: What is known of it, as plain values: data, recipe, seed, commit, metrics with their protocol.
        half: Whether weights of layers are kept in 16 bits; all else stays as it is.
    """
    network = gan.generator if gan.ema is None else gan.ema
    state = network.state_dict()
    tensors = {name: tensor.half() if half and _is_weight(tensor) else tensor for name, tensor in state.items()}
    told = {
        "gan": name_of(type(gan)),
        "hyper_parameters": dict(gan.hparams),
        "updates": gan.updates,
        "card": dict(card),
    }
    header = {name: json.dumps(value) for name, value in told.items()}
    Path(path).write_bytes(save({name: tensor.contiguous() for name, tensor in tensors.items()}, header))


def _is_weight(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.ndim > 1


def load_generator(path: str | Path) -> AdversarialModule:
    """Build the GAN of a file that :func:`save_generator` wrote, in evaluation mode, on the CPU.

    D is new: the GAN is there to sample from, not to go on with.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds no generator, or is of a class that is not imported.
    """
    header, tensors = _read(path)
    kind = find_class(AdversarialModule, header["gan"])
    gan = rebuilt_as_saved(kind, header["hyper_parameters"], path)
    for network in (gan.generator, gan.ema):
        if network is not None:
            wanted = network.state_dict()
            check_state(tensors, wanted)
            network.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in tensors.items()})
    gan._loaded_updates = header["updates"]
    return gan.eval()


def read_card(path: str | Path) -> dict[str, Any]:
    """What is known of the generator of a file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or holds no generator.
    """
    return dict(_read(path)[0]["card"])


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file of a generator at '{path}'.")
    try:
        with safe_open(path, framework="pt") as file:
            header = {name: json.loads(value) for name, value in (file.metadata() or {}).items() if name in ENTRIES}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise ValueError(f"'{path}' is damaged, or no file of a generator: {error}. Copy it again.") from error
    if missing := [name for name in ENTRIES if name not in header]:
        raise ValueError(
            f"'{path}' holds no generator of this package: its header lacks {', '.join(missing)}. Write it with "
            "gan_lightning.pretrained.save_generator."
        )
    if broken := [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]:
        raise ValueError(f"Weights in '{path}' are NaN or infinite: {', '.join(broken[:3])}. Copy the file again.")
    return header, tensors
