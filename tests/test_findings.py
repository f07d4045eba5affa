"""What is said of a game, and what is not."""

import pytest
import torch

from gan_lightning.findings import of_readings
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
    ],
)
def test_of_a_game_that_goes_on_nothing_is_said(metrics: dict[str, float]) -> None:
    assert of_readings([metrics]) == of_readings([metrics] * 10) == []


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
    said = [finding.diagnosis for finding in of_readings([{**HEALTHY, **changes}])]
    assert len(said) == len(signs)
    assert all(sentence.startswith(sign) for sentence, sign in zip(said, signs, strict=True))


@pytest.mark.parametrize("changes", [{"train/d_x": 1000.0}, {"train/d_loss": 5e4}])
def test_signs_of_a_dead_critic_are_named(changes: dict[str, float]) -> None:
    assert len(of_readings([{**CRITIC, **changes}])) == 1


@pytest.mark.parametrize("loss", [NonSaturatingLoss(), LeastSquaresLoss(), WassersteinLoss()])
def test_a_constant_d_is_seen_whatever_the_loss(loss: NonSaturatingLoss) -> None:
    logits = torch.full((64,), 0.123)
    readings = {f"train/d_{name}": float(value) for name, value in loss.readings(logits, logits).items()}
    assert [finding.name for finding in of_readings([readings])] == ["D says nothing"]


def gaps(*values: float) -> list[dict[str, float]]:
    return [{**HEALTHY, "train/d_x": 0.5 + value / 2, "train/d_gz": 0.5 - value / 2} for value in values]


def test_a_game_must_look_ill_in_all_readings() -> None:
    wins = {**HEALTHY, "train/d_x": 1.0, "train/d_gz": 0.0}
    assert of_readings([HEALTHY, *[wins] * 9]) == of_readings([*[wins] * 9, HEALTHY]) == []
    assert [finding.name for finding in of_readings([wins] * 10)] == ["D wins"]


def test_a_game_that_swings_is_seen_and_one_that_is_noisy_is_not() -> None:
    swings = of_readings(gaps(0.9, 0.1, 0.9, 0.1, 0.9, 0.1))
    assert [finding.name for finding in swings] == ["oscillation"]
    assert "fell from above 0.8 to below 0.2 3 times in the last 6 readings" in swings[0].diagnosis
    assert of_readings(gaps(0.9, 0.1, 0.9, 0.1)) == of_readings(gaps(0.9, 0.5, 0.9, 0.5, 0.3, 0.9, 0.4, 0.9)) == []


def test_a_gradient_that_optimizers_do_not_notice_is_seen() -> None:
    faint = {**HEALTHY, "train/g_gradient": 1e-9}
    assert [finding.name for finding in of_readings([faint] * 3)] == ["G's gradient vanishes"]
    assert of_readings([faint, {**HEALTHY, "train/g_gradient": 1e-3}]) == []


def test_of_no_readings_nothing_is_said() -> None:
    assert of_readings([]) == []


def test_gradients_that_overflow_in_16_bits_are_no_finding() -> None:
    assert of_readings([{**HEALTHY, "train/g_gradient": INF}]) == []


def test_a_d_that_is_right_says_something_however_sure_it_is() -> None:
    same = {**HEALTHY, "train/d_x": 0.9999, "train/d_gz": 0.9998}
    assert [finding.name for finding in of_readings([{**same, "train/d_accuracy": 0.52}])] == ["D says nothing"]
    assert of_readings([{**same, "train/d_accuracy": 0.88}]) == []  # as pairs of a relativistic loss
