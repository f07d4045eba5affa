"""What a classifier sees in fakes: how sure it is, which classes there are, and how alike each class is to its own."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from gan_lightning.arguments import check_counts
from gan_lightning.metrics.frechet import frechet, moments
from gan_lightning.metrics.subsets import GOLDEN


class InceptionScore(Metric):
    """How sure a classifier is of each fake, and how many classes it sees: exp of the mean of KL(p(y|x), p(y)).

    Salimans et al., 2016, arXiv:1606.03498, section 4. From 1 to the number of classes. Real images are not looked at,
    so that one perfect image a class scores best.

    Its values are the mean and the standard deviation over splits, into which samples go by a sequence that has no
    period (Weyl's): no random numbers are drawn, and classes that come in turn are spread over all splits.

    Args:
        num_classes: K.
        splits: Parts of the samples.
        kwargs: For torchmetrics' ``Metric``.

    Example:
        >>> score = InceptionScore(num_classes=2, splits=1)
        >>> score.update(torch.tensor([[9.0, -9.0], [-9.0, 9.0]]))
        >>> round(score.compute()["inception_score"].item(), 3)
        2.0
    """

    is_differentiable = False
    full_state_update = False
    counts: Tensor
    totals: Tensor
    negentropies: Tensor

    def __init__(self, num_classes: int, splits: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_counts(splits=splits)
        check_counts(least=2, num_classes=num_classes)
        self.add_state("counts", torch.zeros(splits, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("totals", torch.zeros(splits, num_classes, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("negentropies", torch.zeros(splits, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, logits: Tensor) -> None:
        """Take the classifier's logits of fakes, (N, K).

        Raises:
            ValueError: If they are not finite.
        """
        if not logits.isfinite().all():
            raise ValueError("InceptionScore: the logits of fakes are not finite: leave these out, or mend G.")
        log_shares = logits.double().log_softmax(dim=1)
        places = self.counts.sum() + torch.arange(len(logits), device=logits.device)
        splits = (places.double() * GOLDEN % 1 * len(self.counts)).long()
        self.counts.index_add_(0, splits, torch.ones_like(splits))
        self.totals.index_add_(0, splits, log_shares.exp())
        self.negentropies.index_add_(0, splits, (log_shares.exp() * log_shares).sum(1))

    def compute(self) -> dict[str, Tensor]:
        """The values by name; NaN if a split has no sample."""
        means = self.totals / self.counts[:, None]
        # E[Σ p log p] - Σ m log m, m = E[p], is the mean divergence.
        scores = (self.negentropies / self.counts - torch.special.xlogy(means, means).sum(1)).exp()
        return {
            "inception_score": scores.mean().float(),
            "inception_score_std": scores.std(correction=0).float(),
        }


class ClassHistogram(Metric):
    """The classes of fakes against those of real images: "class_coverage" and "class_kl".

    "class_coverage" is the share of the real images' classes of which fakes have at least a tenth of what is due.
    "class_kl" is KL(fakes, real images) of the shares of the classes, in nats: 0 if they are equal; infinite if fakes
    have a class that real images have not.

    Args:
        num_classes: K.
        kwargs: For torchmetrics' ``Metric``.

    Example:
        >>> histogram = ClassHistogram(num_classes=2)
        >>> histogram.update(torch.tensor([0, 1, 0, 1]), real=True)
        >>> histogram.update(torch.tensor([1, 1]), real=False)
        >>> histogram.compute()
        {'class_coverage': tensor(0.5000), 'class_kl': tensor(0.6931)}
    """

    is_differentiable = False
    full_state_update = False
    real: Tensor
    fake: Tensor

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_counts(num_classes=num_classes)
        for side in ("real", "fake"):
            self.add_state(side, torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, classes: Tensor, real: bool) -> None:
        """Count the classes of images, (N,) int64, as one classifier reads both sides."""
        counts = torch.bincount(classes, minlength=len(self.real))
        if real:
            self.real += counts
        else:
            self.fake += counts

    def compute(self) -> dict[str, Tensor]:
        """The values by name; NaN without samples of either side."""
        real, fake = (counts.double() / counts.sum() for counts in (self.real, self.fake))
        divergence = (torch.special.xlogy(fake, fake) - torch.special.xlogy(fake, real)).sum()
        is_covered = fake[real > 0] >= 0.1 * real[real > 0]
        return {"class_coverage": is_covered.double().mean().float(), "class_kl": divergence.float()}


class IntraClassDistance(Metric):
    """The mean over classes of the Fréchet distance within the class: "intra_fid" (Miyato & Koyama, 2018).

    arXiv:1802.05637, section 5.2. It sees fakes of a wrong class, and a class that is collapsed, where the distance of
    all classes at once hardly does.

    Args:
        num_classes: K.
        num_features: F; the state holds 2 K F² numbers.
        kwargs: For torchmetrics' ``Metric``.
    """

    is_differentiable = False
    full_state_update = False
    totals: Tensor
    outers: Tensor
    counts: Tensor

    def __init__(self, num_classes: int, num_features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_counts(num_classes=num_classes, num_features=num_features)
        sides = torch.zeros(2, num_classes, num_features, dtype=torch.float64)
        self.add_state("totals", sides, dist_reduce_fx="sum")
        self.add_state("outers", sides[..., None].repeat(1, 1, 1, num_features), dist_reduce_fx="sum")
        self.add_state("counts", sides[..., 0].long(), dist_reduce_fx="sum")

    def update(self, features: Tensor, labels: Tensor, real: bool) -> None:
        """Take features, (N, F), and the classes, (N,) int64, that images have or were asked for."""
        side = 0 if real else 1
        for label in labels.unique().tolist():
            rows = features[labels == label].double()
            self.totals[side, label] += rows.sum(0)
            self.outers[side, label] += rows.T @ rows
            self.counts[side, label] += len(rows)

    def compute(self) -> dict[str, Tensor]:
        """The value by name, over the classes that real images have.

        Raises:
            ValueError: If a class has a single real image, or fewer than two fakes.
        """
        distances = []
        for label in self.counts[0].nonzero().flatten().tolist():
            counts = self.counts[:, label]
            if min(counts) < 2:
                raise ValueError(
                    f"IntraClassDistance needs two images of each class on both sides; of class {label} it has "
                    f"{int(counts[0])} real images and {int(counts[1])} fakes."
                )
            real, fake = (moments(self.totals[k, label], self.outers[k, label], counts[k]) for k in range(2))
            distances.append(frechet(real, fake))
        return {"intra_fid": torch.stack(distances).mean().float()}
