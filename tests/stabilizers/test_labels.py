"""Noise on the targets of D: which logits are swapped, how many, and what is left alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_lightning.engine.draws import SharedDraws
from gan_lightning.game import Move, Verdict
from gan_lightning.losses import LeastSquaresLoss, NonSaturatingLoss
from gan_lightning.stabilizers import Drift, NoisyLabels

Build = Callable[..., Any]


def first_pixel(images: Tensor, labels: Tensor) -> Verdict:
    """A discriminator with a head."""
    return Verdict(images[:, 0, 0, 0], {"features": images.flatten(1)})


def counted(count: int, make_move: Build, **options: Any) -> Move:
    """A move whose logits number the pairs: k for real k, and -k - 1 for the fake beside it."""
    numbers = torch.arange(count, dtype=torch.float64).view(-1, 1, 1, 1)
    move: Move = make_move(first_pixel, numbers, -numbers - 1, **options)
    return move


def test_a_pair_is_swapped_or_not_and_as_often_as_told(make_move: Build) -> None:
    move = counted(20_000, make_move)
    judged = NoisyLabels(flip_prob=0.3).judged(move)
    real, fake = move.on_real.logits, move.on_fake.logits
    flipped = judged.on_real.logits < 0
    assert torch.equal(judged.on_real.logits, torch.where(flipped, fake, real))
    assert torch.equal(judged.on_fake.logits, torch.where(flipped, real, fake))
    assert flipped.double().mean().item() == pytest.approx(0.3, abs=0.013)  # four standard errors
    runs = flipped[1:] & flipped[:-1]
    assert runs.double().mean().item() == pytest.approx(0.09, abs=0.01)  # pairs are independent


@pytest.mark.parametrize("flip_prob", [0.0, 1.0])
def test_probabilities_of_0_and_1_swap_none_and_all(make_move: Build, flip_prob: float) -> None:
    move = counted(1000, make_move)
    judged = NoisyLabels(flip_prob).judged(move)
    real, fake = move.on_real.logits, move.on_fake.logits
    assert torch.equal(judged.on_real.logits, fake if flip_prob else real)
    assert torch.equal(judged.on_fake.logits, real if flip_prob else fake)


def test_the_move_itself_its_images_and_heads_stay(make_move: Build) -> None:
    move = counted(50, make_move)
    real, fake = (verdict.logits.clone() for verdict in (move.on_real, move.on_fake))
    judged = NoisyLabels(1.0).judged(move)
    assert torch.equal(move.on_real.logits, real)
    assert torch.equal(move.on_fake.logits, fake)
    assert judged.on_real.heads["features"] is move.on_real.heads["features"]
    assert judged.on_fake.heads["features"] is move.on_fake.heads["features"]
    assert judged.real is move.real
    assert judged.fake is move.fake


def test_nothing_is_swapped_in_gs_move_nor_are_reals_judged_for_it(make_move: Build) -> None:
    move = counted(10, make_move, player="g")
    assert NoisyLabels(1.0).judged(move) is move
    assert "on_real" not in vars(move)


def test_gradients_teach_each_image_the_target_of_the_other(make_move: Build, draw: Build) -> None:
    images = draw(2, 8, 1, 2, 2)
    gradients = []
    for flip_prob in (0.0, 1.0):
        real, fake = (half.clone().requires_grad_() for half in images)
        judged = NoisyLabels(flip_prob).judged(make_move(first_pixel, real, fake))
        LeastSquaresLoss().discriminator(judged.on_real.logits, judged.on_fake.logits).backward()
        gradients.append((real.grad[:, 0, 0, 0], fake.grad[:, 0, 0, 0]))
    real, fake = images[:, :, 0, 0, 0]
    torch.testing.assert_close(gradients[0], ((real - 1) / 8, fake / 8), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients[1], (real / 8, (fake - 1) / 8), rtol=1e-12, atol=0)


def test_the_same_pairs_are_swapped_however_the_batch_is_shared(make_move: Build) -> None:
    whole = NoisyLabels(0.5).judged(counted(16, make_move)).on_real.logits < 0
    for rank in (0, 1):
        for part in (0, 1):
            draws = SharedDraws()
            draws.begin(rank=rank, world_size=2, part=part, parts=2)
            share = NoisyLabels(0.5).judged(counted(4, make_move, draws=draws)).on_real.logits < 0
            assert torch.equal(share, whole[rank::2][4 * part :][:4])
    assert 0 < whole.sum() < 16


def test_ds_loss_is_that_of_swapped_logits_and_other_stabilizers_hear_what_d_said(
    smooth_gan: Build, draw: Build
) -> None:
    gan = smooth_gan(stabilizers=[NoisyLabels(1.0), Drift(1.0)])
    real, fake = draw(2, 8, 1, 8, 8)
    labels = torch.zeros(8, dtype=torch.int64)
    gan.draws.begin(0)
    move = Move("d", gan.discriminator, 0, 0, real, fake, labels, draw(8, 3), gan.judge, gan.generate, gan.draws)
    own, added, _ = gan.terms(move)
    on_real, on_fake = (gan.discriminator(images).logits for images in (real, fake))
    torch.testing.assert_close(own["adversarial"], NonSaturatingLoss().discriminator(on_fake, on_real))
    torch.testing.assert_close(added["drift"], on_real.square().mean())


@pytest.mark.parametrize("flip_prob", [-0.1, 1.1, float("nan")])
def test_illegal_probability_is_an_error_that_names_it(flip_prob: float) -> None:
    with pytest.raises(ValueError, match=rf"flip_prob must be in \[0, 1\], got {flip_prob}"):
        NoisyLabels(flip_prob)
