"""InfoGAN's codes: the bound at its two ends, terms by hand, and codes that reach the images."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_lightning import InfoGAN
from gan_lightning.game import Verdict
from gan_lightning.stabilizers import MutualInformation

Build = Callable[..., Any]


def latents_of(part: MutualInformation, count: int, noise: int = 2) -> Tensor:
    size = noise + part.categories + part.continuous
    return part.prior(torch.randn(count, size, dtype=torch.float64), torch.Generator().manual_seed(0))


def terms_of(part: MutualInformation, latents: Tensor, heads: dict[str, Tensor], make_move: Build) -> dict[str, float]:
    images = torch.zeros(len(latents), 1, 2, 2, dtype=torch.float64)
    move = make_move(lambda x, y: Verdict(x.sum((1, 2, 3)), heads), images, images, latents=latents)
    return {name: value.item() for name, value in part.discriminator_terms(move).items()}


def test_codes_are_one_hot_categories_and_uniform_numbers_behind_the_noise() -> None:
    part = MutualInformation(categories=4, continuous=2)
    before = torch.randn(4000, 9)
    latents = part.prior(before.clone(), torch.Generator().manual_seed(0))
    assert latents[:, :3].equal(before[:, :3])
    category, continuous = latents[:, 3:7], latents[:, 7:]
    assert set(category.unique().tolist()) == {0.0, 1.0}
    assert category.sum(1).eq(1).all()
    assert category.mean(0).tolist() == pytest.approx([0.25] * 4, abs=0.03)
    assert -1 <= continuous.min() < -0.99
    assert 0.99 < continuous.max() <= 1
    assert continuous.var(0).tolist() == pytest.approx([1 / 3] * 2, abs=0.02)
    assert abs(float((continuous[:, 0] * continuous[:, 1]).mean())) < 0.02


def test_bound_is_zero_for_a_q_that_knows_nothing_and_the_entropy_of_the_code_for_one_that_knows_it(
    make_move: Build,
) -> None:
    part = MutualInformation(categories=10, continuous=1)
    latents = latents_of(part, 50)
    nothing = {"category": torch.zeros(50, 10), "continuous": torch.zeros(50, 1)}
    everything = {"category": 1000 * latents[:, 2:12], "continuous": latents[:, 12:]}
    entropy = math.log(10)
    bounds = [entropy - terms_of(part, latents, heads, make_move)["category"] for heads in (nothing, everything)]
    assert bounds == pytest.approx([0.0, entropy], abs=1e-6)  # eq. 5: L_I = E[log Q(c|x)] + H(c)
    assert terms_of(part, latents, everything, make_move)["continuous"] == 0


def test_terms_are_negative_log_likelihoods_of_softmax_and_gaussian(make_move: Build, draw: Build) -> None:
    part = MutualInformation(3, 2, categorical_weight=0.7, continuous_weight=0.2)
    latents, logits, means = latents_of(part, 6), draw(6, 3), draw(6, 2, seed=1)
    terms = terms_of(part, latents, {"category": logits, "continuous": means}, make_move)
    category, continuous = 0.0, 0.0
    for n in range(6):
        chosen = latents[n, 2:5].tolist().index(1.0)
        category += math.log(sum(map(math.exp, logits[n].tolist()))) - float(logits[n, chosen])
        for code, mean in zip(latents[n, 5:].tolist(), means[n].tolist(), strict=True):
            density = math.exp(-((code - mean) ** 2) / 2) / math.sqrt(2 * math.pi)
            continuous += -math.log(density) - math.log(2 * math.pi) / 2  # without its constant
    assert terms == pytest.approx({"category": 0.7 * category / 6, "continuous": 0.2 * continuous / 6}, rel=1e-12)


def test_both_players_have_the_same_terms(make_move: Build, draw: Build) -> None:
    part = MutualInformation(3, 2)
    heads = {"category": draw(6, 3), "continuous": draw(6, 2)}
    images = torch.zeros(6, 1, 2, 2, dtype=torch.float64)
    moves = [
        make_move(lambda x, y: Verdict(x.sum((1, 2, 3)), heads), images, images, latents=latents_of(part, 6), player=p)
        for p in ("d", "g")
    ]
    assert part.terms(moves[0]) == part.terms(moves[1])


def test_samples_have_codes_and_their_images_depend_on_them() -> None:
    torch.manual_seed(0)
    gan = InfoGAN(image_shape=(1, 8, 8), width=4)
    latents = gan.sample_latent(5, torch.Generator().manual_seed(0))
    assert latents[:, 62:72].sum(1).eq(1).all()
    assert latents[:, 72:].abs().max() <= 1
    others = latents.clone()
    others[:, 62:72] = latents[:, 62:72].roll(1, 1)
    assert not gan.sample_from(latents).allclose(gan.sample_from(others))


@pytest.mark.parametrize("missing", ["category", "continuous"])
def test_a_discriminator_without_a_head_is_an_error_that_names_it(missing: str, make_move: Build) -> None:
    part = MutualInformation(3, 2)
    heads = {"category": torch.zeros(6, 3), "continuous": torch.zeros(6, 2)}
    del heads[missing]
    with pytest.raises(ValueError, match=f"MutualInformation: D has no head '{missing}'"):
        terms_of(part, latents_of(part, 6), heads, make_move)


@pytest.mark.parametrize(
    ("name", "value", "legal"),
    [("categories", 0, "at least 1"), ("continuous", 0, "at least 1"), ("categorical_weight", -1, "at least 0")],
)
def test_illegal_numbers_are_errors_that_name_them(name: str, value: int, legal: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*{legal}, got {value}"):
        MutualInformation(**{name: value})


def test_latents_too_short_for_the_codes_are_an_error_that_tells_how_long_they_must_be() -> None:
    with pytest.raises(ValueError, match="latent_dim must be an integer, at least 12, got 11"):
        InfoGAN(latent_dim=11)
