"""Walks: points that are samples, arcs that keep lengths, classes that are mixed, styles."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from gan_lightning.base import AdversarialModule
from gan_lightning.walks import noise_features, slerp, walk

Build = Callable[..., AdversarialModule]


def test_an_arc_goes_from_end_to_end_at_a_constant_angle_and_length() -> None:
    start, end = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    for t in (0.0, 0.25, 1.0):
        angle = t * math.pi / 2
        torch.testing.assert_close(slerp(start, end, t), 3 * torch.tensor([[math.cos(angle), math.sin(angle)]]))


def test_an_arc_between_latents_of_many_features_keeps_their_length() -> None:
    start, end = torch.randn(2, 8, 512, generator=torch.Generator().manual_seed(0))
    middle = slerp(start, end, 0.5).norm(dim=1)
    assert ((start.norm(dim=1) + end.norm(dim=1)) / 2 / middle - 1).abs().max() < 0.1
    assert (start.lerp(end, 0.5).norm(dim=1) / middle).max() < 0.8


def test_an_arc_between_equal_latents_is_where_they_are() -> None:
    start = torch.randn(4, 16)
    torch.testing.assert_close(slerp(start, start.clone(), 0.3), start)


def test_where_there_is_no_arc_there_is_a_line() -> None:
    start = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    end = torch.tensor([[-3.0, -4.0], [1.0, 2.0]])
    torch.testing.assert_close(slerp(start, end, 0.25), start.lerp(end, 0.25))


def test_points_are_the_samples_of_their_seeds_and_classes(tiny_gan: Build, gan_name: str) -> None:
    gan = tiny_gan(gan_name).eval()
    labels = [1, 0] if gan.num_classes else None
    frames = list(walk(gan, seeds=[4, 5], labels=labels, num=3, steps=2))
    assert len(frames) == 4
    for frame, seed in ((frames[0], 4), (frames[2], 5)):
        asked = None if labels is None else labels[seed - 4]
        torch.testing.assert_close(frame, gan.sample(3, asked, seed), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(frames[1], frames[0])


def test_classes_are_mixed_on_the_way(tiny_gan: Build, gan_name: str, awaken: Any) -> None:
    gan = tiny_gan(gan_name).eval()
    if not gan.num_classes:
        pytest.skip("unconditional")
    awaken(gan.generator)
    gan.ema = None
    first, middle, last = walk(gan, seeds=[0], labels=[0, 1], num=4, steps=2, loop=False)
    torch.testing.assert_close(first, gan.sample(4, 0, 0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last, gan.sample(4, 1, 0), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(middle, first)
    assert not torch.allclose(middle, last)


def test_images_keep_their_classes_without_labels(tiny_gan: Build) -> None:
    gan = tiny_gan("CGAN").eval()
    frames = list(walk(gan, num=4, steps=1))
    torch.testing.assert_close(frames[0], gan.sample(4, [0, 1, 2, 3], 0))


def test_a_walk_that_does_not_loop_ends_at_its_last_point(tiny_gan: Build) -> None:
    gan = tiny_gan("DCGAN").eval()
    frames = list(walk(gan, seeds=[1, 2], num=2, steps=3, loop=False))
    assert len(frames) == 4
    torch.testing.assert_close(frames[-1], gan.sample(2, seed=2))


def test_lines_between_styles(tiny_gan: Build) -> None:
    gan = tiny_gan("StyleGAN2").eval()
    first, middle, last = walk(gan, seeds=[1, 2], num=2, steps=2, space="w", loop=False, truncation=0.7)
    torch.testing.assert_close(first, gan.sample(2, seed=1, truncation=0.7), rtol=1e-4, atol=1e-5)
    network: Any = gan.ema
    ends = [network.mapping(gan.sample_latent(2, torch.Generator().manual_seed(seed))) for seed in (1, 2)]
    style = network.mean_style().lerp(ends[0].lerp(ends[1], 0.5), 0.7)
    torch.testing.assert_close(middle, network.synthesis(style), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(middle, last)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("DCGAN", {"seeds": [1]}, "two points"),
        ("DCGAN", {"labels": [1, 2]}, "unconditional"),
        ("CGAN", {"labels": [1, 10]}, "integers from 0 to 3"),
        ("DCGAN", {"space": "w"}, "has no styles"),
        ("StyleGAN2", {"space": "w", "truncation": 2.0}, r"truncation must be in \[0, 1\], got 2.0"),
        ("DCGAN", {"num": 0}, "num"),
        ("DCGAN", {"steps": 0}, "steps"),
    ],
)
def test_what_is_wrong_is_named(tiny_gan: Build, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(walk(tiny_gan(name).eval(), **options))


def test_codes_go_along_lines_and_noise_along_arcs(tiny_gan: Build) -> None:
    gan = tiny_gan("InfoGAN").eval()
    noise = noise_features(gan)
    start, end = (gan.sample_latent(3, torch.Generator().manual_seed(seed)) for seed in (4, 5))
    _, middle, *_ = walk(gan, seeds=[4, 5], num=3, steps=2)
    expected = torch.cat([slerp(start[:, :noise], end[:, :noise], 0.5), (start + end)[:, noise:] / 2], 1)
    torch.testing.assert_close(middle, gan.sample_from(expected))
