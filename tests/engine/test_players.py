"""The learning rate and betas that both players share, and what each has for itself."""

from typing import Any

import pytest
import torch
from torch import nn

from gan_lightning import DCGAN, GAN, WGAN
from gan_lightning.engine.optimizers import SGD, Adam, AdamW, PlayerOptimizer, RMSprop, wrap
from gan_lightning.parts import describe, find_class, names_of


def rates(gan: Any) -> list[float]:
    return [optimizer.param_groups[0]["lr"] for optimizer in gan.configure_optimizers()[0]]


def betas(gan: Any) -> list[Any]:
    return [optimizer.param_groups[0].get("betas") for optimizer in gan.configure_optimizers()[0]]


def test_one_lr_and_betas_are_of_both_players_unless_one_names_its_own() -> None:
    assert rates(GAN(lr=1e-3)) == [1e-3, 1e-3]
    assert rates(GAN(lr=1e-3, discriminator_optimizer=Adam(lr=5e-3))) == [1e-3, 5e-3]
    assert rates(GAN(lr=1e-3, generator_optimizer=SGD(lr=0.1))) == [0.1, 1e-3]
    assert betas(GAN(betas=(0.1, 0.2))) == [(0.1, 0.2)] * 2
    assert betas(GAN(betas=(0.1, 0.2), generator_optimizer=AdamW((0.3, 0.4)))) == [(0.3, 0.4), (0.1, 0.2)]
    assert betas(GAN(betas=(0.1, 0.2), discriminator_optimizer=RMSprop())) == [(0.1, 0.2), None]


def test_betas_that_nobody_would_use_are_refused_and_defaults_are_not() -> None:
    both: dict[str, Any] = {"generator_optimizer": SGD(), "discriminator_optimizer": RMSprop()}
    assert betas(GAN(**both)) == [None, None]  # the default of betas is not a choice
    with pytest.raises(ValueError, match=r"GAN: betas must be None, as the optimizers of both players use none, got"):
        GAN(**both, betas=(0.0, 0.9))
    with pytest.raises(ValueError, match=r"WGAN: betas must be None"):
        WGAN(width=4, betas=(0.0, 0.9))


def test_an_optimizer_that_needs_betas_says_so() -> None:
    with pytest.raises(ValueError, match=r"WGAN: betas must be a pair of numbers in \[0, 1\) for Adam, got None"):
        WGAN(width=4, generator_optimizer=Adam())
    assert betas(WGAN(width=4, generator_optimizer=Adam(), betas=(0.0, 0.9))) == [(0.0, 0.9), None]


@pytest.mark.parametrize("name", names_of(PlayerOptimizer))
def test_every_optimizer_is_torchs_of_its_name_with_its_defaults(name: str) -> None:
    kind: Any = find_class(PlayerOptimizer, name)
    part = kind()
    (optimizer, _), _ = GAN(generator_optimizer=part).configure_optimizers()
    assert type(optimizer) is getattr(torch.optim, name)
    usual = getattr(torch.optim, name)([torch.zeros(1)], lr=2e-4).defaults
    same = set(usual) - {"betas", "fused", "lr"}
    assert {key: optimizer.defaults[key] for key in same} == {key: usual[key] for key in same}


def test_adam_is_fused_where_gradients_are_not_scaled() -> None:
    (g, d), _ = DCGAN(width=4, discriminator_optimizer=SGD()).configure_optimizers()
    assert (g.defaults["fused"], d.defaults["fused"]) == (True, True)


@pytest.mark.parametrize("weight", [torch.randn(4, 8)[:, ::2], torch.randn(4, 4, dtype=torch.complex64)])
def test_weights_that_a_fused_step_would_spoil_or_refuse_are_stepped_otherwise(weight: torch.Tensor) -> None:
    network = nn.ParameterDict({"weight": nn.Parameter(weight)})
    (usual, fused), _ = DCGAN(width=4).players.configure(network, nn.Linear(2, 2), None)
    assert (usual.defaults["fused"], fused.defaults["fused"]) == (None, True)


def test_an_optimizer_with_arguments_of_its_own_can_be_wrapped() -> None:
    class Lazy(torch.optim.SGD):
        def __init__(self, params: Any, lr: float = 1.0, laziness: float = 0.5) -> None:
            super().__init__(params, lr)
            self.laziness = laziness

    part: Any = wrap(Lazy)(laziness=0.25, clip_norm=1.0)
    assert part.describe()["init_args"]["laziness"] == 0.25
    (optimizer, _), _ = GAN(generator_optimizer=part, lr=0.5).configure_optimizers()
    assert (type(optimizer), optimizer.laziness, optimizer.defaults["lr"]) == (Lazy, 0.25, 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be a finite number above 0, got 0.0"),
        ({"clip_norm": -1.0}, "clip_norm must be a finite number above 0"),
        ({"lr_schedule": "exponential"}, "lr_schedule must be one of constant, linear, cosine, got 'exponential'"),
        ({"betas": (0.5, 1.0)}, r"betas must be a pair of numbers in \[0, 1\)"),
        ({"weight_decay": -0.1}, "weight_decay must be finite and at least 0"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Adam(**options)
    with pytest.raises(ValueError, match=message):
        GAN(generator_optimizer=describe(Adam, **options))
