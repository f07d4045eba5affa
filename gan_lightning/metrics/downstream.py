"""What fakes are good for: a classifier that is trained on them alone, tested on real images."""

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from gan_lightning.arguments import check_counts
from gan_lightning.precision import full_precision


class DownstreamAccuracy(Metric):
    """The accuracy on real images of a classifier that has seen fakes only (Ravuri & Vinyals, 2019, arXiv:1905.10887).

    It needs fakes of right classes, like enough to the data, and diverse enough. The classifier is small, three
    convolutions, so compare with what it reaches when it is trained on as many real images.

    Args:
        num_classes: K.
        epochs: Passes through the fakes.
        max_samples: Of each side; more are refused.
        seed: The classifier is a function of it and of the images.
        kwargs: For torchmetrics' ``Metric``.
    """

    is_differentiable = False
    full_state_update = False
    real: list[Tensor]
    fake: list[Tensor]
    real_labels: list[Tensor]
    fake_labels: list[Tensor]

    def __init__(
        self, num_classes: int, epochs: int = 5, max_samples: int = 50_000, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_counts(epochs=epochs, max_samples=max_samples)
        check_counts(least=2, num_classes=num_classes)
        self.num_classes = num_classes
        self.epochs = epochs
        self.max_samples = max_samples
        self.seed = seed
        for side in ("real", "fake", "real_labels", "fake_labels"):
            self.add_state(side, [], dist_reduce_fx="cat")

    def update(self, images: Tensor, labels: Tensor, real: bool) -> None:
        """Keep images, uint8 (N, C, H, W), and their classes, (N,) int64.

        Raises:
            TypeError: If images are not uint8.
            ValueError: If there are too many.
        """
        side, classes = (self.real, self.real_labels) if real else (self.fake, self.fake_labels)
        name = "real images" if real else "fakes"
        if images.dtype != torch.uint8:
            raise TypeError(f"DownstreamAccuracy: {name} must be uint8 pixels in [0, 255], got {images.dtype}.")
        count = sum(map(len, side)) + len(images)
        if count > self.max_samples:
            raise ValueError(f"DownstreamAccuracy: {count} {name} are more than max_samples, {self.max_samples}.")
        side.append(images)
        classes.append(labels)

    def compute(self) -> dict[str, Tensor]:
        """The value by name, in [0, 1].

        Raises:
            ValueError: If there are no fakes or no real images, or their sizes differ.
        """
        if not self.real or not self.fake:
            raise ValueError("DownstreamAccuracy needs fakes and real images.")
        real, fake, real_labels, fake_labels = (
            dim_zero_cat(rows) for rows in (self.real, self.fake, self.real_labels, self.fake_labels)
        )
        if real.shape[1:] != fake.shape[1:]:
            raise ValueError(f"Real images {tuple(real.shape[1:])} and fakes {tuple(fake.shape[1:])} differ in shape.")
        with torch.random.fork_rng(), torch.enable_grad(), full_precision(fake.device):
            torch.manual_seed(self.seed)
            network = classifier(fake.shape[1], self.num_classes).to(fake.device)
            fit(network, fake, fake_labels, self.epochs)
        with torch.no_grad():
            right = [
                (network(scaled(images)).argmax(1) == labels).sum()
                for images, labels in zip(real.split(500), real_labels.split(500), strict=True)
            ]
        return {"downstream_accuracy": torch.stack(right).sum() / len(real)}


def classifier(channels: int, num_classes: int, width: int = 32) -> nn.Module:
    """Maps images (N, C, H, W) of any size to class logits (N, K)."""
    sizes = (channels, width, 2 * width, 4 * width)
    layers: list[nn.Module] = []
    for wide_in, wide_out in itertools.pairwise(sizes):
        layers += [nn.Conv2d(wide_in, wide_out, 3, 2, 1, bias=False), nn.BatchNorm2d(wide_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16 * width, num_classes))


def fit(network: nn.Module, images: Tensor, labels: Tensor, epochs: int, batch_size: int = 128) -> None:
    """Train a classifier by Adam with a rate that falls to 0, and leave it in eval mode."""
    weights = list(network.parameters())
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    steps = epochs * -(-len(images) // batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch_size):
            if len(rows) > 1:  # batch norm cannot take one image
                loss = cross_entropy(network(scaled(images[rows])), labels[rows])
                for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                    weight.grad = gradient
                optimizer.step()
            schedule.step()
    network.eval()


def scaled(pixels: Tensor) -> Tensor:
    """In [-1, 1]."""
    return pixels.float() / 127.5 - 1
