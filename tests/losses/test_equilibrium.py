"""BEGAN's loss: against a discriminator whose errors are scripted, and in training."""

import pytest
import torch

from gan_lightning import BEGAN
from gan_lightning.game import Update
from gan_lightning.losses import BoundaryEquilibriumLoss


def update(real_error, fake_error, mean=lambda value: value):
    """D's update, with errors around these."""
    spread = torch.tensor([-0.1, 0.1])
    return Update("d", torch.nn.Identity(), 2, -(real_error + spread), -(fake_error + spread), mean)


def test_balance_follows_the_papers_controller_step_by_step():
    loss, k = BoundaryEquilibriumLoss(diversity=0.5, step=0.1), 0.0
    for real, fake in [(2.0, 0.2), (1.5, 0.5), (1.0, 0.9), (1.0, 0.1)]:  # errors of a D that learns, then G catches up
        told = loss.discriminator(torch.tensor([-real]), torch.tensor([-fake])).item()
        assert told == pytest.approx(real - k * fake, abs=1e-6)
        loss.after(update(real, fake))
        k += 0.1 * (0.5 * real - fake)
        assert loss.k.item() == pytest.approx(k, abs=1e-6)
    assert 0 < k < 1


def test_balance_stays_in_zero_to_one():
    loss = BoundaryEquilibriumLoss(step=1.0)
    loss.after(update(0.1, 5.0))
    assert loss.k == 0
    loss.after(update(9.0, 0.0))
    assert loss.k == 1


def test_balance_rests_where_the_errors_have_the_ratio_asked_for():
    loss = BoundaryEquilibriumLoss(diversity=0.25)
    loss.k.fill_(0.5)
    loss.after(update(2.0, 0.5))
    assert loss.k == 0.5


def test_balance_moves_by_means_over_processes_and_not_in_gs_updates():
    loss = BoundaryEquilibriumLoss(diversity=0.5, step=0.1)
    loss.after(update(2.0, 0.2, mean=lambda value: value + 1))
    assert loss.k.item() == pytest.approx(0.18)
    loss.after(update(2.0, 0.2)._replace(player="g", real_logits=None))
    assert loss.k.item() == pytest.approx(0.18)


def test_generator_lowers_the_error_of_its_fakes():
    assert BoundaryEquilibriumLoss().generator(torch.tensor([-0.5, -1.5])) == 1.0


def test_readings_tell_errors_balance_and_convergence():
    loss = BoundaryEquilibriumLoss(diversity=0.5)
    readings = loss.readings(torch.tensor([-2.0]), torch.tensor([-0.2]))
    assert {name: value.item() for name, value in readings.items()} == pytest.approx(
        {"x": 2.0, "gz": 0.2, "k": 0.0, "convergence": 2.8}
    )


def test_in_training_the_balance_moves_and_is_in_the_checkpoint(trainer, tiny_data):
    gan = BEGAN(image_shape=(1, 8, 8), width=4)
    trainer(max_steps=3).fit(gan, tiny_data)
    assert gan.state_dict()["loss.k"] > 0


@pytest.mark.parametrize(("name", "value"), [("diversity", 0), ("step", -1)])
def test_illegal_numbers_are_errors_that_name_them(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*got {value}"):
        BoundaryEquilibriumLoss(**{name: value})
