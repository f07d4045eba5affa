"""ProGAN in the values of its paper; it grows in training, and goes on from the middle of a fade."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import interpolate

import gan_lightning
from gan_lightning import ProGAN
from gan_lightning.engine.checkpointed import start_from


def test_defaults_are_the_papers_values(chosen: Any, usual: Any) -> None:
    stabilizers = [
        {"class_path": "GradientPenalty", "init_args": {"weight": 10.0}},
        {"class_path": "Drift", "init_args": {"weight": 1e-3}},
    ]
    told = {
        "loss": "WassersteinLoss",
        "latents": (512, "normal"),
        "stabilizers": stabilizers,
        "optimizers": [("Adam", 1e-3, (0.0, 0.99))] * 2,
    }
    assert chosen(ProGAN()) == {**usual, **told}


def test_it_grows_with_the_images_that_it_has_seen(tiny_gan: Any, trainer: Any, tiny_data: Any) -> None:
    gan = tiny_gan("ProGAN", images_per_phase=16)
    seen = []
    original = gan.read

    def read(batch: Any) -> Any:
        images, labels = original(batch)
        growths = [network.growth for network in (gan.generator, gan.discriminator, gan.ema)]
        assert len({(growth.level, growth.alpha) for growth in growths}) == 1
        seen.append((int(gan.images_seen), images.shape[2], growths[0].alpha))
        return images, labels

    gan.read = read
    trainer(max_steps=6).fit(gan, tiny_data)
    assert seen == [(0, 4, 1.0), (8, 4, 1.0), (16, 8, 0.0), (24, 8, 0.5), (32, 8, 1.0), (40, 8, 1.0)]


def test_a_run_that_starts_from_grown_networks_grows_on(
    tiny_gan: Any, trainer: Any, tiny_data: Any, tmp_path: Path, identical: Any
) -> None:
    def run(steps: int, path: Path | None = None) -> Any:
        gan, fit = tiny_gan("ProGAN", images_per_phase=16), trainer(max_steps=steps)
        if path is None:
            start_from(gan, str(tmp_path / "first.ckpt"))
        fit.fit(gan, tiny_data, ckpt_path=path)
        return gan, fit

    first = trainer(max_steps=3)
    first.fit(tiny_gan("ProGAN", images_per_phase=16), tiny_data)  # 24 images: half way into the second level
    first.save_checkpoint(tmp_path / "first.ckpt")
    whole, _ = run(3)
    assert (int(whole.images_seen), int(whole.ema.growth.seen)) == (24, 48)
    _, fit = run(1)
    fit.save_checkpoint(tmp_path / "stop.ckpt")
    resumed, _ = run(3, tmp_path / "stop.ckpt")
    assert identical(resumed.state_dict(), whole.state_dict())


@pytest.mark.parametrize("stop", [1, 3, 5])  # at the first level, in the middle of the fade, and behind it
def test_a_run_resumed_in_any_phase_equals_one_that_was_not_stopped(
    tiny_gan: Any, trainer: Any, tiny_data: Any, tmp_path: Path, identical: Any, stop: int
) -> None:
    def run(steps: int, path: Path | None = None) -> Any:
        gan, fit = tiny_gan("ProGAN", images_per_phase=16), trainer(max_steps=steps)
        fit.fit(gan, tiny_data, ckpt_path=path)
        return gan, fit

    whole, _ = run(7)
    _, fit = run(stop)
    fit.save_checkpoint(tmp_path / "stop.ckpt")
    resumed, _ = run(7, tmp_path / "stop.ckpt")
    assert identical(resumed.state_dict(), whole.state_dict())


def test_samples_of_a_lower_level_are_enlarged_also_from_a_checkpoint(
    tiny_gan: Any, trainer: Any, tiny_data: Any, tmp_path: Path
) -> None:
    gan, fit = tiny_gan("ProGAN", images_per_phase=1000), trainer(max_steps=1)
    fit.fit(gan, tiny_data)
    images = gan.sample(2, seed=0)
    assert images.shape == (2, 1, 8, 8)
    assert images.equal(interpolate(images[:, :, ::2, ::2], scale_factor=2))
    fit.save_checkpoint(tmp_path / "gan.ckpt")
    torch.testing.assert_close(gan_lightning.load(tmp_path / "gan.ckpt").sample(2, seed=0), images)
