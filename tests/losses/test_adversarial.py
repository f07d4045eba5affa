import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from gan_lightning.losses import (
    HingeLoss,
    LeastSquaresLoss,
    MinimaxLoss,
    NonSaturatingLoss,
    RelativisticLoss,
    WassersteinLoss,
)

LOSSES = [MinimaxLoss(), NonSaturatingLoss(), LeastSquaresLoss(), HingeLoss(), WassersteinLoss(), RelativisticLoss()]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
probability_loss = pytest.mark.parametrize(
    "loss", [MinimaxLoss(), NonSaturatingLoss()], ids=["minimax", "non-saturating"]
)


def draw(count=16, seed=0):
    """Two sets of logits of a spread that reaches both sides of every margin."""
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(2, count, generator=generator, dtype=torch.float64)


def gradient(function, logits):
    logits = torch.as_tensor(logits, dtype=torch.float64).clone().requires_grad_()
    return torch.autograd.grad(function(logits), logits)[0]


@probability_loss
def test_discriminator_of_probability_losses_is_cross_entropy_with_targets_one_and_zero(loss):
    real, fake = draw()
    expected = binary_cross_entropy(real.sigmoid(), torch.ones_like(real))
    expected += binary_cross_entropy(fake.sigmoid(), torch.zeros_like(fake))
    torch.testing.assert_close(loss.discriminator(real, fake), expected, rtol=1e-12, atol=0)


def test_minimax_generator_minimises_log_of_one_minus_probability():
    _, fake = draw()
    torch.testing.assert_close(MinimaxLoss().generator(fake), (1 - fake.sigmoid()).log().mean(), rtol=1e-12, atol=0)


def test_non_saturating_generator_is_cross_entropy_with_target_one():
    _, fake = draw()
    expected = binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake))
    torch.testing.assert_close(NonSaturatingLoss().generator(fake), expected, rtol=1e-12, atol=0)


def test_minimax_generator_plays_the_zero_sum_game_of_its_discriminator():
    real, fake = draw()
    loss = MinimaxLoss()
    value_to_d = gradient(lambda logits: loss.discriminator(real, logits), fake)
    torch.testing.assert_close(gradient(loss.generator, fake), -value_to_d, rtol=1e-12, atol=0)


def test_saturating_gradient_vanishes_when_d_is_confident_and_non_saturating_does_not():
    rejected = [-30.0]
    assert gradient(MinimaxLoss().generator, rejected).abs().item() == pytest.approx(math.exp(-30), rel=1e-9)
    assert gradient(NonSaturatingLoss().generator, rejected).item() == pytest.approx(-1.0, rel=1e-9)


def test_both_probability_losses_are_at_chance_for_logits_of_zero():
    zeros = torch.zeros(4)
    for loss in (MinimaxLoss(), NonSaturatingLoss()):
        assert loss.discriminator(zeros, zeros).item() == pytest.approx(2 * math.log(2))
    assert MinimaxLoss().generator(zeros).item() == pytest.approx(-math.log(2))
    assert NonSaturatingLoss().generator(zeros).item() == pytest.approx(math.log(2))


def test_least_squares_is_zero_at_its_targets_and_half_a_square_away_from_them():
    loss, ones, zeros = LeastSquaresLoss(), torch.ones(4), torch.zeros(4)
    assert loss.discriminator(ones, zeros).item() == 0
    assert loss.generator(ones).item() == 0
    assert loss.discriminator(ones + 3, zeros - 2).item() == 0.5 * 9 + 0.5 * 4
    assert loss.generator(zeros - 2).item() == 0.5 * 9


def test_least_squares_pulls_back_a_fake_that_is_judged_too_real():
    assert gradient(LeastSquaresLoss().generator, [3.0]).item() == 2.0


def test_hinge_of_discriminator_is_flat_beyond_the_margin_and_has_slope_one_before_it():
    loss = HingeLoss()
    real, fake = torch.tensor([1.5, 0.5, -2.0, 4.0]), torch.tensor([-1.5, -0.5, 2.0, -4.0])
    assert loss.discriminator(real, fake).item() == (0.5 + 3) / 4 + (0.5 + 3) / 4
    assert gradient(lambda logits: loss.discriminator(logits, fake), real).tolist() == [0, -0.25, -0.25, 0]
    assert gradient(lambda logits: loss.discriminator(real, logits), fake).tolist() == [0, 0.25, 0.25, 0]


@pytest.mark.parametrize("loss", [HingeLoss(), WassersteinLoss()], ids=["hinge", "wasserstein"])
def test_hinge_and_wasserstein_generators_raise_the_mean_logit_without_a_margin(loss):
    assert loss.generator(torch.tensor([-5.0, 1.0, 10.0])).item() == -2.0
    assert gradient(loss.generator, [-5.0, 1.0, 10.0, 0.0]).tolist() == [-0.25] * 4


def test_wasserstein_is_the_difference_of_means_and_linear():
    loss = WassersteinLoss()
    (real, fake), (more_real, more_fake) = draw(), draw(seed=1)
    assert loss.discriminator(torch.tensor([1.0, 3.0]), torch.tensor([5.0, 9.0])).item() == 5.0
    mixed = loss.discriminator(2 * real - 3 * more_real, 2 * fake - 3 * more_fake)
    parts = 2 * loss.discriminator(real, fake) - 3 * loss.discriminator(more_real, more_fake)
    torch.testing.assert_close(mixed, parts)
    assert gradient(lambda logits: loss.discriminator(logits, fake), real).tolist() == [-1 / 16] * 16


def test_relativistic_is_cross_entropy_on_the_difference_of_each_pair():
    real, fake = draw()
    loss, ones = RelativisticLoss(), torch.ones_like(real)
    expected_d = binary_cross_entropy((real - fake).sigmoid(), ones)
    expected_g = binary_cross_entropy((fake - real).sigmoid(), ones)
    torch.testing.assert_close(loss.discriminator(real, fake), expected_d, rtol=1e-10, atol=0)
    torch.testing.assert_close(loss.generator(fake, real), expected_g, rtol=1e-10, atol=0)


def test_relativistic_ignores_a_constant_added_to_all_logits():
    real, fake = draw()
    loss = RelativisticLoss()
    torch.testing.assert_close(loss.discriminator(real + 7, fake + 7), loss.discriminator(real, fake))
    torch.testing.assert_close(loss.generator(fake + 7, real + 7), loss.generator(fake, real))


def test_relativistic_generator_without_reals_says_what_to_give():
    with pytest.raises(ValueError, match=r"RelativisticLoss\.generator .* give real_logits"):
        RelativisticLoss().generator(torch.zeros(4))


def test_only_relativistic_looks_at_reals_in_the_generator_loss():
    real, fake = draw()
    for loss in LOSSES:
        assert loss.needs_real == isinstance(loss, RelativisticLoss)
        if not loss.needs_real:
            assert loss.generator(fake, real) == loss.generator(fake)


@every_loss
def test_loss_is_a_scalar_mean_so_doubling_the_batch_changes_nothing(loss):
    real, fake = draw()
    assert loss.discriminator(real, fake).shape == loss.generator(fake, real).shape == ()
    twice = loss.discriminator(real.repeat(2), fake.repeat(2))
    torch.testing.assert_close(twice, loss.discriminator(real, fake))
    torch.testing.assert_close(loss.generator(fake.repeat(2), real.repeat(2)), loss.generator(fake, real))


@every_loss
def test_players_pull_the_logits_in_opposite_directions(loss):
    zeros = torch.zeros(4)
    assert (gradient(lambda real: loss.discriminator(real, zeros), zeros) < 0).all()
    assert (gradient(lambda fake: loss.discriminator(zeros, fake), zeros + 0.5) > 0).all()
    assert (gradient(lambda fake: loss.generator(fake, zeros), zeros) < 0).all()


@every_loss
@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_loss_and_gradient_are_finite_at_extreme_logits(loss, scale):
    real, fake = torch.full((4,), scale, requires_grad=True), torch.full((4,), -scale, requires_grad=True)
    for value in (loss.discriminator(real, fake), loss.generator(fake, real)):
        gradients = torch.autograd.grad(value, (real, fake), allow_unused=True)
        assert value.isfinite()
        assert all(found is None or found.isfinite().all() for found in gradients)


@every_loss
def test_extreme_logits_still_teach_the_player_that_is_wrong(loss):
    wrong = torch.tensor([1e4])
    assert gradient(lambda fake: loss.discriminator(-wrong.double(), fake), wrong).item() > 0.4
    if type(loss) is not MinimaxLoss:  # whose generator is stuck: see above
        assert gradient(lambda fake: loss.generator(fake, wrong.double()), -wrong).item() < -0.4


@every_loss
def test_gradients_equal_finite_differences(loss):
    real, fake = draw()
    real.requires_grad_()
    fake.requires_grad_()
    assert torch.autograd.gradcheck(loss.discriminator, (real, fake))
    reals = (real,) if loss.needs_real else ()
    assert torch.autograd.gradcheck(loss.generator, (fake, *reals))


@pytest.mark.parametrize(
    "loss", [MinimaxLoss(), NonSaturatingLoss(), HingeLoss(), RelativisticLoss()], ids=lambda loss: type(loss).__name__
)
def test_readings_are_mean_probabilities(loss):
    odds = torch.tensor([1.0, 3.0])  # probabilities 1/2 and 3/4
    readings = loss.readings(odds.log(), -odds.log())
    expected = {"x": 0.625, "gz": 0.375, "accuracy": 0.5}
    assert {name: value.item() for name, value in readings.items()} == pytest.approx(expected)


def test_readings_of_least_squares_are_the_means_that_regress_one_and_zero():
    readings = LeastSquaresLoss().readings(torch.tensor([1.0, 2.0]), torch.tensor([0.0, -1.0]))
    assert {name: value.item() for name, value in readings.items()} == {"x": 1.5, "gz": -0.5, "accuracy": 1.0}


@pytest.mark.parametrize(
    ("loss", "accuracy"),
    [
        (NonSaturatingLoss(), 4 / 6),
        (LeastSquaresLoss(), 4 / 6),
        (LeastSquaresLoss(-1, 1), 2 / 6),
        (RelativisticLoss(), 1),
    ],
)
def test_accuracy_is_the_share_of_images_or_pairs_that_d_is_right_about(loss, accuracy):
    real, fake = torch.tensor([2.0, 0.4, 0.2]), torch.tensor([-2.0, 0.3, 0.1])
    assert loss.readings(real, fake)["accuracy"].item() == pytest.approx(accuracy)


def test_readings_of_wasserstein_hold_the_estimate_which_is_minus_the_loss():
    real, fake = draw()
    readings = WassersteinLoss().readings(real, fake)
    assert readings.keys() == {"x", "gz", "wasserstein"}
    torch.testing.assert_close(readings["wasserstein"], -WassersteinLoss().discriminator(real, fake))
    torch.testing.assert_close(readings["wasserstein"], readings["x"] - readings["gz"])
