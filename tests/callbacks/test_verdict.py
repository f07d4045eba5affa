"""What is said of a game, and what is not."""

import pytest
import torch

from gan_lightning.callbacks.verdict import seen
from gan_lightning.losses import LeastSquaresLoss, NonSaturatingLoss, WassersteinLoss

HEALTHY = {"train/d_x": 0.72, "train/d_gz": 0.21, "train/d_loss": 0.6, "train/g_loss": 1.9, "val/fid_mnist": 20.0}
CRITIC = {"train/d_x": 1000.5, "train/d_gz": 1000.0, "train/d_wasserstein": 0.5, "train/d_loss": -0.5}
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"train/d_x": 1.0},
        HEALTHY,
        {**HEALTHY, "train/d_x": 0.97, "train/d_gz": 0.02},
        {**HEALTHY, "train/d_x": 0.505, "train/d_gz": 0.495},
        {**CRITIC, "train/g_loss": -5e5},
        {"train/d_x": 1.0, "train/d_gz": 0.0, "train/d_wasserstein": 1.0},
        {"loss": NAN, "step": INF},
        {key: torch.tensor(value) for key, value in HEALTHY.items()},
    ],
)
def test_of_a_game_that_goes_on_nothing_is_said(metrics: dict[str, float]) -> None:
    assert seen(metrics) == []


@pytest.mark.parametrize(
    ("changes", "signs"),
    [
        ({"train/d_x": 1.0, "train/d_gz": 1e-12}, ["D wins outright (D(x) = 1, D(G(z)) = 1e-12)"]),
        ({"train/d_x": 1.01, "train/d_gz": -0.02}, ["D wins outright"]),
        ({"train/d_x": 0.5, "train/d_gz": 0.5}, ["D says the same"]),
        ({"train/d_x": 0.0, "train/d_gz": 0.0}, ["D says the same"]),
        ({"train/d_loss": 2e4, "train/g_loss": -3e5}, ["A huge loss: train/d_loss = 2e+04, train/g_loss = -3e+05"]),
        ({"val/fid_mnist": 8342.6}, ["val/fid_mnist is 8343"]),
        ({"val/fid": 400.0}, ["val/fid is 400"]),
        ({"val/fid_mnist": NAN, "train/g_loss": -INF}, ["Not finite: train/g_loss, val/fid_mnist"]),
        (
            {"train/d_x": 1.0, "train/d_gz": 0.0, "train/g_loss": 5e4, "val/fid_mnist": 9e9},
            ["D wins outright", "A huge loss: train/g_loss", "val/fid_mnist is"],
        ),
    ],
)
def test_signs_of_a_dead_game_are_named(changes: dict[str, float], signs: list[str]) -> None:
    said = seen({**HEALTHY, **changes})
    assert len(said) == len(signs)
    assert all(sentence.startswith(sign) for sentence, sign in zip(said, signs, strict=True))


@pytest.mark.parametrize("changes", [{"train/d_x": 1000.0}, {"train/d_loss": 5e4}])
def test_signs_of_a_dead_critic_are_named(changes: dict[str, float]) -> None:
    assert len(seen({**CRITIC, **changes})) == 1


@pytest.mark.parametrize("loss", [NonSaturatingLoss(), LeastSquaresLoss(), WassersteinLoss()])
def test_a_constant_d_is_seen_whatever_the_loss(loss: NonSaturatingLoss) -> None:
    logits = torch.full((64,), 0.123)
    readings = {f"train/d_{name}": float(value) for name, value in loss.readings(logits, logits).items()}
    assert [sentence.partition(" (")[0] for sentence in seen(readings)] == [
        "D says the same of real and of generated images"
    ]
