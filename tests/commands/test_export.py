"""``gan-lightning export``: files that give the same images, and what is said where there can be none."""

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.commands.export import export
from gan_lightning.losses import NonSaturatingLoss
from gan_lightning.networks import MLPDiscriminator, MLPGenerator

Build = Callable[..., AdversarialModule]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Callable[[AdversarialModule], str]:
    """Lets a GAN be what a path is loaded to."""

    def store(gan: AdversarialModule) -> str:
        monkeypatch.setattr(gan_lightning, "load", lambda path: gan.eval())
        return "stored.ckpt"

    return store


@pytest.mark.quick("GAN", "ConditionalDCGAN", "SAGAN", "ProGAN", "StyleGAN2")  # one of each kind of network
@pytest.mark.parametrize(
    ("name", "ending"),
    [
        *((name, ".onnx") for name in gan_lightning.__all__),
        *itertools.product(["ProGAN", "StyleGAN2"], [".pt2", ".safetensors"]),
    ],
)
def test_any_gan_is_exported(tiny_gan: Build, name: str, stored: Any, ending: str, awaken: Any) -> None:
    gan = tiny_gan(name)
    awaken(gan.ema)
    export(stored(gan), f"g{ending}", check=7)
    assert Path(f"g{ending}").stat().st_size > 0


def test_a_moving_average_in_onnx_makes_the_samples(tiny_gan: Build, stored: Any) -> None:
    gan = tiny_gan("CGAN")
    torch.nn.init.zeros_(next(gan.generator.parameters()))  # which G no longer is
    export(stored(gan), "g.onnx", check=2)
    session = pytest.importorskip("onnxruntime").InferenceSession("g.onnx")
    latents = gan.sample_latent(5, torch.Generator().manual_seed(0))
    inputs = {"latents": latents.numpy(), "labels": np.array([0, 1, 2, 3, 0])}
    (images,) = session.run(["images"], inputs)
    expected = gan.sample_from(latents, torch.tensor([0, 1, 2, 3, 0]))
    torch.testing.assert_close(torch.from_numpy(images), expected, rtol=0, atol=1e-5)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["gan"]) == "CGAN"
    assert json.loads(told["num_classes"]) == gan.num_classes
    assert json.loads(told["image_shape"]) == list(expected.shape[1:])


def test_safetensors_are_loaded_as_they_were_beside_a_description(tiny_gan: Build, stored: Any) -> None:
    gan = tiny_gan("DCGAN")
    load = gan_lightning.load
    export(stored(gan), "g.safetensors", check=2)
    torch.testing.assert_close(load("g.safetensors").sample(3, seed=1), gan.sample(3, seed=1), rtol=0, atol=0)
    assert json.loads(Path("g.json").read_text())["hyper_parameters"]["latent_dim"] == gan.latent_dim


def test_a_program_needs_pytorch_alone(tiny_gan: Build, stored: Any) -> None:
    gan = tiny_gan("DCGAN")
    export(stored(gan), "g.pt2", check=2)
    latents = gan.sample_latent(4)
    module = torch.export.load("g.pt2").module()
    torch.testing.assert_close(module(latents), gan.sample_from(latents), rtol=0, atol=1e-6)


class Odd(MLPGenerator):
    """Has an operation that ONNX lacks."""

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.special.bessel_j0(super().forward(latents))


class Noisy(MLPGenerator):
    """Draws random numbers in evaluation, too."""

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return super().forward(latents) + 0.1 * torch.randn(latents.shape[0], 1, 1, 1)


def around(kind: type[MLPGenerator]) -> AdversarialModule:
    networks = kind((1, 8, 8), 4, (8,)), MLPDiscriminator(64, (8,))
    return AdversarialModule(*networks, NonSaturatingLoss(), latent_dim=4)


def test_an_operation_that_cannot_be_exported_is_named_and_nothing_is_left(stored: Any, folder: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be exported to ONNX: it uses \w+\.\w*bessel_j0"):
        export(stored(around(Odd)), check=2)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("ending", [".onnx", ".pt2"])
def test_images_that_differ_are_refused_and_nothing_is_left(stored: Any, folder: Path, ending: str) -> None:
    with pytest.raises(ValueError, match=r"differs from PyTorch's by .* random numbers"):
        export(stored(around(Noisy)), f"g{ending}", check=2)
    assert not list(folder.iterdir())


def test_a_description_of_the_user_is_not_replaced_but_that_of_an_earlier_call(tiny_gan: Build, stored: Any) -> None:
    Path("package.json").write_text("mine")
    with pytest.raises(
        ValueError, match=r"would replace 'package\.json', which there is without 'package\.safetensors'"
    ):
        export("no such checkpoint", "package.safetensors")
    assert Path("package.json").read_text() == "mine"
    checkpoint = stored(tiny_gan("DCGAN"))
    for _ in range(2):
        export(checkpoint, "g.safetensors", check=2)


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({"format": "pt2"}, "generator.pt2"),
        ({"format": "pt2", "out": "g.pt2"}, "g.pt2"),
        ({"out": "G.PT2"}, "G.PT2"),
        ({"format": "safetensors", "out": "g.SafeTensors"}, "g.SafeTensors"),
    ],
)
def test_the_format_is_that_which_is_named_or_that_of_the_ending(
    tiny_gan: Build, stored: Any, options: dict[str, Any], written: str
) -> None:
    export(stored(tiny_gan("DCGAN")), check=2, **options)
    assert Path(written).stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "g.h5"}, "Cannot tell the format"),
        ({"check": 0}, "check"),
        ({"out": "g.pt2", "format": "onnx"}, r"format is onnx, but out is 'g\.pt2': end it in \.onnx"),
        ({"out": "g", "format": "safetensors"}, r"end it in \.safetensors"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export("dcgan-mnist", **options)


def test_a_folder_is_no_file(folder: Path) -> None:
    (folder / "generator.onnx").mkdir()
    with pytest.raises(FileExistsError, match="folder"):
        export("dcgan-mnist")


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_an_absent_extra_is_named_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r"gan-lightning\[onnx\].*\.pt2"):
        export("no such checkpoint")
