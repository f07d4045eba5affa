"""Channels last: the same training, in networks that can; others are left as they are."""

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from gan_lightning import base, stabilizers
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.layout import lay_as_weights
from gan_lightning.losses import NonSaturatingLoss
from gan_lightning.networks import DCGANDiscriminator, DCGANGenerator

SHAPE = (3, 16, 16)
LAST = torch.channels_last
ALONE = {
    name
    for name in stabilizers.__all__
    if name not in {"AuxiliaryClassifier", "MutualInformation", "FeatureMatching", "PathLength", "Unrolled"}
}
"""Those that any DCGAN can have."""


class Viewing(DCGANDiscriminator):
    """Flattens feature maps by a view, as many do."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Any:
        maps = images
        for layer in list(self.layers)[:-1]:
            maps = layer(maps)
        return maps.view(len(images), -1).mean(1)


class TrainingView(Viewing):
    """Does so while it trains."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Any:
        return super().forward(images) if self.training else DCGANDiscriminator.forward(self, images)


def lies_last(network: nn.Module) -> bool:
    return all(weight.is_contiguous(memory_format=LAST) for weight in network.parameters() if weight.ndim == 4)


def build(discriminator: type[nn.Module] = DCGANDiscriminator, **options: Any) -> AdversarialModule:
    torch.manual_seed(0)
    own = {"norm": "none"} if options else {}
    networks = (DCGANGenerator(SHAPE, 8, 4), discriminator(SHAPE, 4, **own))
    return AdversarialModule(*networks, NonSaturatingLoss(), latent_dim=8, **options)


@pytest.fixture
def trained(trainer: Any) -> Callable[[AdversarialModule], dict[str, Tensor]]:
    """Trains on colour images for two updates, in 64 bits, and returns all tensors."""

    def train(gan: AdversarialModule) -> dict[str, Tensor]:
        seed_everything(1, verbose=False)
        images = 2 * torch.rand(24, *SHAPE, dtype=torch.float64) - 1
        loader = DataLoader(TensorDataset(images, torch.arange(24) % 4), batch_size=12)
        trainer(max_steps=2, precision="64-true").fit(gan.double(), loader)
        return gan.state_dict()

    return train


@pytest.fixture
def contiguous(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Leaves networks as they are, from here on."""
    return lambda: monkeypatch.setattr(base, "lay_channels_last", lambda *_: None)


def test_each_gan_that_convolves_trains_with_channels_last_as_without(
    gan_name: str, tiny_gan: Any, trained: Any, contiguous: Callable[[], None]
) -> None:
    gans = [tiny_gan(gan_name, image_shape=SHAPE)]
    contiguous()
    gans.append(tiny_gan(gan_name, image_shape=SHAPE))
    gans[1].load_state_dict(gans[0].state_dict())
    if any(weight.ndim == 4 and min(weight.shape) > 1 for weight in gans[0].parameters()):
        assert all(map(lies_last, (gans[0].generator, gans[0].discriminator, gans[0].ema)))
        assert not lies_last(gans[1].generator)
    results = [trained(gan) for gan in gans]
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", sorted(ALONE))
def test_each_stabilizer_takes_images_with_channels_last(name: str, trained: Any, contiguous: Any) -> None:
    results = []
    for _ in range(2):
        results.append(trained(build(stabilizers=[getattr(stabilizers, name)()])))
        contiguous()
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", [Viewing, TrainingView])
def test_networks_that_cannot_are_left_as_they_are(trained: Any, kind: type[nn.Module]) -> None:
    before = torch.get_rng_state()
    gan = build(kind)
    assert not torch.equal(before, torch.get_rng_state())  # weights are drawn, and nothing else
    torch.manual_seed(0)
    DCGANGenerator(SHAPE, 8, 4), kind(SHAPE, 4)
    after = torch.get_rng_state()
    build(kind)
    assert torch.equal(after, torch.get_rng_state())
    assert not any(map(lies_last, (gan.generator, gan.discriminator)))
    trained(gan)


class Uncopied(DCGANDiscriminator):
    """Holds what cannot be copied."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lock = threading.Lock()


class Picky(DCGANDiscriminator):
    """Takes batches of one size only."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Any:
        assert len(images) == 7
        return super().forward(images, labels)


@pytest.mark.parametrize("kind", [Uncopied, Picky])
def test_a_trial_that_fails_says_nothing_against_a_network(kind: type[nn.Module]) -> None:
    assert not lies_last(build(kind).discriminator)


def test_what_is_compiled_lies_as_its_compiler_wants() -> None:
    gan = AdversarialModule(
        DCGANGenerator(SHAPE, 8, 4), DCGANDiscriminator(SHAPE, 4), NonSaturatingLoss(), latent_dim=8, compile=True
    )
    assert not lies_last(gan.generator)


def test_own_networks_that_can_are_laid_out() -> None:
    class Own(DCGANDiscriminator):
        pass

    for double in (False, True):
        g, d = DCGANGenerator(SHAPE, 8, 4), Own(SHAPE, 4)
        gan = AdversarialModule(*((g.double(), d.double()) if double else (g, d)), NonSaturatingLoss(), latent_dim=8)
        assert lies_last(gan.discriminator)
        assert gan.ema is not None
        assert lies_last(gan.ema)


def test_a_state_that_lies_otherwise_is_laid_as_its_weights() -> None:
    """Fused steps would read it in the wrong order without a word."""
    layer = nn.Conv2d(3, 4, 3).to(memory_format=LAST)
    layers = [layer, copy.deepcopy(layer)]
    optimizers = [torch.optim.Adam(each.parameters(), 0.1, fused=True) for each in layers]

    def step() -> None:
        for each, optimizer in zip(layers, optimizers, strict=True):
            gradient = torch.linspace(-1, 1, each.weight.numel()).view(each.weight.shape)
            each.weight.grad = gradient.contiguous(memory_format=LAST)
            optimizer.step()

    step()
    for state in optimizers[1].state.values():
        for name in ("exp_avg", "exp_avg_sq"):
            state[name] = state[name].contiguous()
    lay_as_weights(optimizers[1])
    assert all(state["exp_avg"].stride() == weight.stride() for weight, state in optimizers[1].state.items())
    step()
    assert torch.equal(layers[0].weight, layers[1].weight)
