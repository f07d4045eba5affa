"""PacGAN: which images are judged together, and trainings of such a discriminator."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.strategies import GANDDPStrategy
from gan_lightning.game import Verdict
from gan_lightning.losses import NonSaturatingLoss
from gan_lightning.networks import MLPDiscriminator, MLPGenerator
from gan_lightning.networks.packing import PacGAN

BuildTrainer = Callable[..., Trainer]


class Spy(nn.Module):
    """Remembers what it is asked to judge."""

    num_features = 3

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        self.images, self.labels = images, labels
        return Verdict(images.sum((1, 2, 3)), {"features": images.flatten(1)})


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("pack", [1, 2, 3, 4])
def test_a_pack_holds_images_that_lie_a_number_of_packs_apart_their_channels_stacked(pack: int) -> None:
    spy, images = Spy(), draw(12, 3, 2, 5)
    verdict = PacGAN(spy, pack)(images, torch.arange(12))
    packs = 12 // pack
    assert verdict.logits.shape == (packs,)
    for i in range(packs):
        members = [images[i + k * packs] for k in range(pack)]
        assert torch.equal(spy.images[i], torch.cat(members))
        assert verdict.logits[i].item() == pytest.approx(sum(x.sum().item() for x in members))
    assert spy.labels is not None
    assert spy.labels.tolist() == list(range(packs))  # of the first of each
    assert verdict.heads["features"].shape == (packs, pack * 30)


def test_labels_may_be_missing_and_features_are_told() -> None:
    spy = Spy()
    network = PacGAN(spy)
    network(draw(4, 1, 2, 2))
    assert spy.labels is None
    assert network.num_features == 3


def test_order_of_packs_follows_that_of_images_but_an_image_has_its_place_within_a_pack() -> None:
    network = PacGAN(MLPDiscriminator(8, (3,), 0.0), 2).double()
    images = draw(6, 1, 2, 2)
    logits = network(images).logits
    order = torch.tensor([2, 0, 1, 5, 3, 4])  # packs stay together: (0, 3), (1, 4), (2, 5)
    torch.testing.assert_close(network(images[order]).logits, logits[[2, 0, 1]], rtol=1e-12, atol=0)
    swapped = network(images.roll(3, 0)).logits  # the second image of each pack comes first
    assert (swapped - logits).abs().min() > 1e-4


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_that_share_a_batch_make_the_same_packs(world_size: int) -> None:
    spy, images = Spy(), draw(12, 1, 2, 2)
    network = PacGAN(spy, 2)
    network(images)
    whole = spy.images
    for rank in range(world_size):
        network(images[rank::world_size])
        assert torch.equal(spy.images, whole[rank::world_size])


def test_a_number_of_images_that_cannot_be_packed_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"judges 3 images together, which 8 .* Make the batch_size a multiple of 3"):
        PacGAN(Spy(), 3)(draw(8, 1, 2, 2))
    with pytest.raises(ValueError, match="pack must be an integer, at least 1, got 0"):
        PacGAN(Spy(), 0)


def build(**options: Any) -> AdversarialModule:
    """A GAN with packs of two, with the same initial weights each time."""
    torch.manual_seed(7)
    generator, discriminator = MLPGenerator((1, 8, 8), 3, (4,), "none"), MLPDiscriminator(2 * 64, (4,), 0.0)
    defaults: dict[str, Any] = {"latent_dim": 3, "ema_decay": 0.0, "lr": 1e-2}
    return AdversarialModule(generator, PacGAN(discriminator), NonSaturatingLoss(), **defaults, **options).double()


def run(gan: AdversarialModule, trainer: BuildTrainer, data: Any, processes: int = 1) -> AdversarialModule:
    """The GAN after a training in float64 on 8 images an update."""
    seed_everything(5, verbose=False)
    data.batch_size = 8 // processes
    fork: dict[str, Any] = {"strategy": GANDDPStrategy(start_method="fork"), "use_distributed_sampler": False}
    forked = {"devices": processes, **fork} if processes > 1 else {}
    trainer(max_steps=3, precision="64-true", **forked).fit(gan, data)
    return gan


def test_a_gan_with_packs_learns(trainer: BuildTrainer, tiny_data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    original = NonSaturatingLoss.discriminator

    def discriminator(self: NonSaturatingLoss, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        sizes.append((len(real_logits), len(fake_logits)))
        return original(self, real_logits, fake_logits)

    monkeypatch.setattr(NonSaturatingLoss, "discriminator", discriminator)
    start, gan = build(), run(build(n_critic=2, accumulate=2), trainer, tiny_data)
    assert sizes == [(2, 2)] * 3 * 2 * 2  # micro-batches of 4 images
    for before, after in zip(start.parameters(), gan.parameters(), strict=True):
        assert after.isfinite().all()
        assert (before - after).abs().max() > 1e-3


def test_two_processes_equal_one(trainer: BuildTrainer, tiny_data: Any) -> None:
    one, two = (run(build(), trainer, tiny_data, processes) for processes in (1, 2))
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(b, a, rtol=0, atol=1e-12)
