"""A move of either player, made by hand, and a small smooth GAN in float64 to train."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.draws import SharedDraws
from gan_lightning.engine.strategies import GANDDPStrategy
from gan_lightning.game import Letter, Move, Verdict
from gan_lightning.losses import NonSaturatingLoss


@pytest.fixture
def make_move() -> Callable[..., Move]:
    """Makes a move: ``make_move(discriminator, real, fake)``; D gives logits, or a verdict."""

    def make(
        discriminator: Callable[..., Any],
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        player: Letter = "d",
        **overrides: Any,
    ) -> Move:
        def judge(images: Tensor, labels: Tensor) -> Verdict:
            verdict = discriminator(images, labels)
            return verdict if isinstance(verdict, Verdict) else Verdict(verdict)

        network = discriminator if isinstance(discriminator, nn.Module) else nn.Module()
        known: dict[str, Any] = {
            "player": player,
            "network": network,
            "step": 0,
            "update": 0,
            "real": real,
            "fake": fake,
            "labels": torch.zeros(len(real), dtype=torch.int64) if labels is None else labels,
            "latents": torch.zeros(len(real), 2),
            "judge": judge,
            "generate": lambda latents, labels: fake,
            "draws": SharedDraws(),
        }
        return Move(**{**known, **overrides})

    return make


@pytest.fixture
def draw() -> Callable[..., Tensor]:
    """Draws from U(-1, 1) in float64, the same each time: ``draw(2, 1, 8, 8, seed=1)``."""

    def make(*shape: int, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return 2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1

    return make


class SmoothGenerator(nn.Module):
    """Makes 1x8x8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        images: Tensor = self.layers(latents)
        return images


class SmoothDiscriminator(nn.Module):
    """Judges 8x8 images."""

    num_features = 5

    def __init__(self, channels: int = 1, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(64 * channels, 5), norm or nn.Identity(), nn.Tanh())
        self.last = nn.Linear(5, 1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        features = self.hidden(images)
        return Verdict(self.last(features).squeeze(1), {"features": features})


@pytest.fixture
def smooth_discriminator() -> Callable[..., nn.Module]:
    return SmoothDiscriminator


@pytest.fixture
def smooth_gan() -> Callable[..., AdversarialModule]:
    """Builds a GAN of 531 weights without kinks in float64, with the same initial weights each time."""

    def build(discriminator: nn.Module | None = None, **options: Any) -> AdversarialModule:
        torch.manual_seed(7)
        networks = SmoothGenerator(), discriminator or SmoothDiscriminator()
        defaults: dict[str, Any] = {"loss": NonSaturatingLoss(), "latent_dim": 3, "ema_decay": 0.0, "lr": 1e-2}
        return AdversarialModule(*networks, **{**defaults, **options}).double()

    return build


@pytest.fixture
def fit(trainer: Callable[..., Trainer], tiny_data: Any) -> Callable[..., AdversarialModule]:
    """Trains, in float64 by default, on 8 images an update, however many processes share them; returns the GAN."""

    def train(gan: AdversarialModule, max_steps: int = 3, processes: int = 1, **options: Any) -> AdversarialModule:
        seed_everything(5, verbose=False)
        tiny_data.batch_size = 8 // processes
        forked: dict[str, Any] = {
            "devices": processes,
            "strategy": GANDDPStrategy(start_method="fork"),
            "use_distributed_sampler": False,
        }
        options = {**(forked if processes > 1 else {}), **options}
        trainer(max_steps=max_steps, **{"precision": "64-true", **options}).fit(gan, tiny_data)
        return gan

    return train
