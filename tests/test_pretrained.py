"""Generators in files of their own: the same images, a card, and refusals; and those that come with the package."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import gan_lightning
from gan_lightning.commands.generate import generate
from gan_lightning.pretrained import load_generator, pretrained, read_card, save_generator

MIB = 2**20
CARDS = Path(__file__).parents[1] / "docs" / "pretrained"


@pytest.fixture
def written(tiny_gan: Any, trainer: Any, tiny_data: Any, tmp_path: Path) -> Any:
    """Trains a small GAN and writes its generator."""

    def write(name: str, **options: Any) -> tuple[Any, Path]:
        gan = tiny_gan(name, **options)
        trainer(max_steps=2).fit(gan, tiny_data)
        save_generator(gan, tmp_path / "g.safetensors", {"seed": 3, "data": "tiny"})
        return gan, tmp_path / "g.safetensors"

    return write


def test_every_gan_is_written_and_samples_as_before(written: Any, gan_name: str) -> None:
    gan, path = written(gan_name)
    loaded = gan_lightning.load(path)
    assert type(loaded) is type(gan)
    assert not loaded.training
    assert loaded.updates == 2
    torch.testing.assert_close(loaded.sample(3, seed=0), gan.sample(3, seed=0), rtol=0, atol=0.02)


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_weights_are_those_that_are_sampled_from_in_16_bits(written: Any, ema_decay: float) -> None:
    gan, path = written("DCGAN", ema_decay=ema_decay)
    network, tensors = gan.ema or gan.generator, load_file(path)
    for name, tensor in network.state_dict().items():
        assert tensors[name].dtype == (torch.float16 if tensor.ndim > 1 else tensor.dtype)
        torch.testing.assert_close(tensors[name].to(tensor.dtype), tensor, rtol=1e-3, atol=1e-6)
    loaded = load_generator(path)
    assert loaded.generator.layers[1].weight.dtype == torch.float32


def test_the_card_is_kept(written: Any) -> None:
    assert read_card(written("GAN")[1]) == {"seed": 3, "data": "tiny"}


def test_it_may_be_generated_from(written: Any, tmp_path: Path) -> None:
    generate(str(written("CGAN")[1]), num=4, out=str(tmp_path / "images"), labels="1")
    assert len(list((tmp_path / "images").iterdir())) == 4


def test_what_is_no_file_of_a_generator_is_refused(written: Any, tmp_path: Path) -> None:
    _, path = written("GAN")
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cut.safetensors' is damaged, or no file of a generator"):
        gan_lightning.load(tmp_path / "cut.safetensors")
    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="its header lacks gan, hyper_parameters, updates, card"):
        gan_lightning.load(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match="There is no file of a generator at"):
        gan_lightning.load(tmp_path / "none.safetensors")


def rewritten(path: Path, tensors: dict[str, torch.Tensor], **header: Any) -> Path:
    told = {"gan": "GAN", "hyper_parameters": {"image_shape": [1, 8, 8], "latent_dim": 12}, "updates": 2, "card": {}}
    save_file(tensors, path, {name: json.dumps(value) for name, value in {**told, **header}.items()})
    return path


def test_another_class_other_tensors_and_broken_weights_are_refused(written: Any, tmp_path: Path) -> None:
    tensors = load_file(written("GAN")[1])
    path = tmp_path / "new.safetensors"
    with pytest.raises(ValueError, match=r"There is no AdversarialModule 'os\.system'"):
        load_generator(rewritten(path, tensors, gan="os.system"))
    with pytest.raises(ValueError, match=r"new\.safetensors' was saved by another version .* argument 'nonsense'"):
        load_generator(rewritten(path, tensors, hyper_parameters={"nonsense": 1}))
    first = next(iter(tensors))
    with pytest.raises(ValueError, match=f"'{first}' is missing"):
        load_generator(rewritten(path, {name: tensor for name, tensor in tensors.items() if name != first}))
    with pytest.raises(ValueError, match=f"Weights in .* are NaN or infinite: {first}"):
        load_generator(rewritten(path, {**tensors, first: tensors[first] * float("nan")}))


def test_an_unknown_name_is_an_error_that_lists_those_that_come_with_the_package() -> None:
    with pytest.raises(FileNotFoundError, match=rf"no checkpoint at 'dcgan-minst'.*are {', '.join(pretrained())}"):
        gan_lightning.load("dcgan-minst")


@pytest.mark.parametrize("name", pretrained())
def test_a_generator_of_the_package_is_small_has_a_card_and_makes_images(name: str) -> None:
    assert pretrained()[name].stat().st_size <= MIB
    card = read_card(pretrained()[name])
    assert {"data", "command", "seed", "commit", "metrics"} <= card.keys()
    gan = gan_lightning.load(name)
    images = gan.sample(16, seed=0)
    assert images.shape[0] == 16
    assert images.std() > 0.1
    assert (CARDS / f"{name}.md").exists()
