"""The Fréchet distance between generated and real images, with the protocol that makes it comparable."""

import math
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from gan_lightning.batches import read_batch
from gan_lightning.callbacks.real_cache import cache_key, check_count, count_of, of_datamodule
from gan_lightning.callbacks.samplewise import Samplewise
from gan_lightning.images import check_range, to_uint8
from gan_lightning.metrics import (
    EvaluationReport,
    FeatureExtractor,
    FeatureSets,
    FrechetDistance,
    MNISTFeatures,
    PrecisionRecall,
    features_for,
)
from gan_lightning.metrics.cache import Key, file_of
from gan_lightning.metrics.frechet import Given
from gan_lightning.metrics.scores import better
from gan_lightning.metrics.statistics import METRIC_STATES, RealStatistics, read_statistics, write_statistics
from gan_lightning.metrics.subsets import class_shares, in_shares

SEED_STRIDE = 2**20  # above the number of batches of fakes: no batch seed of one `seed` is that of another


class SupportsSampling(Protocol):
    """What a module must offer to be evaluated."""

    ema: object

    def sample(self, n: int, labels: Tensor | None = None, seed: int | None = None) -> Tensor:
        """Float images (n, C, H, W) in [-1, 1] on the module's device, drawn from a generator of their own."""
        ...


class Evaluation(Callback):
    """Logs ``val/<fid>`` and ``test/<fid>`` (Heusel et al., 2017, arXiv:1706.08500); the extractor names ``<fid>``.

    Beside it stand the values of more metrics, such as ``val/recall``: a distance alone does not see all. These compare
    the fakes with as many real images, spread evenly over the split; with fewer, if there are fewer.

    Fakes come from ``pl_module.sample(n, seed=...)``, so from the averaged generator when there is one, and from
    random numbers of their own: an evaluation leaves no trace in training. They are the same fakes each time and on
    any number of processes. A conditional GAN draws each class as often as the training images have it, by the data
    module's ``class_counts``, for it does not learn how frequent a class is; without these, all equally often. Real
    images are those of the first data loader, in any form that ``read_batch`` knows. Their statistics are computed once
    and kept on disk, if the data module has a ``fingerprint`` (which must cover its splits and transforms) and the loop
    sees all of the loader's ``dataset``.

    Fakes that are not finite are reported, and logged as NaN; training goes on.

    Args:
        features: Maps images to features. None means those of ``features_for``; where they cannot judge the images, a
            warning says so, and there is no evaluation.
        num_samples: Fakes at each validation; 0 for no evaluation.
        test_num_samples: Fakes at ``test``; 0 for no evaluation.
        metrics: What else is asked of these features, each without an extractor of its own; None means
            :class:`PrecisionRecall`. One that there are too few images for costs a warning.
        seed: The fakes are a function of it.
        batch_size: Fakes drawn at once.
        cache_dir: Folder of the statistics of real images; by default ``cache`` in the trainer's default_root_dir.

    Attributes:
        report: The last evaluation; None before the first.

    Raises:
        ValueError: A single sample, or fewer than none; a batch size below 1, or a negative seed.
    """

    def __init__(
        self,
        features: FeatureExtractor | None = None,
        num_samples: int = 2_000,
        test_num_samples: int = 10_000,
        *,
        metrics: list[FeatureSets] | None = None,
        seed: int = 0,
        batch_size: int = 250,
        cache_dir: str | None = None,
    ) -> None:
        if min(num_samples or 2, test_num_samples or 2) < 2 or batch_size < 1 or seed < 0:
            raise ValueError(
                "Evaluation takes num_samples and test_num_samples of 0 or at least 2, batch_size of at least 1 and "
                f"seed of at least 0; got {num_samples}, {test_num_samples}, {batch_size} and {seed}."
            )
        self.features = features or MNISTFeatures()
        self._is_chosen = features is not None
        self.metrics = [PrecisionRecall()] if metrics is None else metrics
        self.num_samples = num_samples
        self.test_num_samples = test_num_samples
        self.seed = seed
        self.batch_size = batch_size
        self.cache_dir = cache_dir
        self.report: EvaluationReport | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Load the extractor and show it one image: missing weights and a wrong size are noticed before training."""
        self._split = "test" if stage == "test" else "val"
        self._num_fakes = self.test_num_samples if stage == "test" else self.num_samples
        self._judges = stage != "predict" and self._num_fakes > 0
        self.settle(trainer)
        image_shape = of_datamodule(trainer, "image_shape")
        if self._judges and image_shape is not None:
            self._judges = self._can_judge(torch.zeros(1, *image_shape, dtype=torch.uint8))
        if not self._judges:
            return
        self._num_reals = 0  # stays 0 until the statistics of the real images are complete
        self._has_looked = False
        self._protocol_logged = False
        self._samplewise = Samplewise(self.metrics, self._num_fakes, self.features.num_features)
        self._extractor = f"{type(self.features).__name__} {self.features.fingerprint}"
        device = trainer.strategy.root_device
        self._device = torch.device("cpu") if device.type == "mps" else device  # MPS lacks torchmetrics' float64
        given = Given(self.features.num_features)
        self._metric = FrechetDistance(given, reset_real_features=False).to(self._device)
        self._metric.orig_dtype = torch.float32  # torchmetrics infers it from features, but a process may see none
        if self._num_fakes < self.features.recommended_samples:
            rank_zero_warn(
                f"`{self.features.fid_name}` is biased on {self._num_fakes} fakes: it falls as their number grows. "
                f"Report values of at least {self.features.recommended_samples} (num_samples, test_num_samples)."
            )

    def settle(self, trainer: Trainer) -> None:
        """Choose the features that suit the data, if nobody did."""
        if not self._is_chosen:
            with suppress(ValueError):  # those that stay will say so
                self.features = features_for(of_datamodule(trainer, "image_shape"))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notice before training that there is but one real image."""
        if self._judges and (count := count_of(trainer, "val")):
            check_count(count, "val", self.features.fid_name)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the statistics of the real images from the disk, or prepare to compute them."""
        if self._skips(trainer) or self._num_reals:
            return
        key = cache_key(trainer, self._split, self._extractor, self._samplewise.num)
        cached = None
        if key is not None and trainer.is_global_zero:
            path = self._cache_path(trainer, key)
            cached = read_statistics(path, key, self.features.num_features, int(key["spread_rows"]))
        self._num_reals, rows = trainer.strategy.broadcast(
            (int(cached.num_images), cached.rows) if cached else (0, None)
        )
        if rows is not None:
            self._samplewise.set_real(rows)
        # Processes without them hold zeros: torchmetrics sums over processes.
        *sums, _ = cached or RealStatistics.zeros(self.features.num_features)
        for name, value in zip(METRIC_STATES, sums, strict=True):
            setattr(self._metric, name, value.to(self._device))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add the real images of a batch, (N, C, H, W), while their statistics are incomplete.

        Raises:
            TypeError: The batch has a form that ``read_batch`` does not know.
            ValueError: Images of the first batch are not in [-1, 1], or the chosen extractor cannot judge them.
        """
        if self._skips(trainer) or self._num_reals or dataloader_idx:
            return
        images, _ = read_batch(batch)
        if not self._has_looked:
            self._has_looked = True
            check_range(images, f"The real images of the {self._split} split")
            self._judges = self._is_chosen or self._can_judge(self._quantise(images[:1]))
        if self._judges:
            rows = self.features(self._quantise(images))
            self._metric.update(rows, real=True)
            self._samplewise.add_real(rows, trainer.global_rank, trainer.world_size)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw fakes, compare, log."""
        if self._skips(trainer):
            return
        if not self._num_reals:
            self._complete_reals(trainer)
        self._class_counts = class_shares(pl_module, getattr(trainer, "datamodule", None))
        step = int(getattr(pl_module, "updates", trainer.global_step))  # the latter is 0 where a checkpoint is judged
        value, others = self._scores(trainer, pl_module, step)
        self.report = EvaluationReport(
            metric=f"{self._split}/{self.features.fid_name}",
            value=value,
            step=step,
            fakes=self._num_fakes,
            reals=self._num_reals,
            split=self._split,
            data=of_datamodule(trainer, "fingerprint") or "unnamed data",
            extractor=self._extractor,
            ema=getattr(pl_module, "ema", None) is not None,
            seed=self.seed,
            batch_size=self.batch_size,
            class_counts=self._class_counts,
            others=others,
        )
        keyed = {f"{self._split}/{name}": other for name, other in others.items()}
        pl_module.log(self.report.metric, value, prog_bar=True, sync_dist=True)
        pl_module.log_dict(keyed, sync_dist=True)
        if not self._protocol_logged:
            self._protocol_logged = True
            for logger in trainer.loggers:
                logger.log_hyperparams({"evaluation": self.report.protocol()})
                if isinstance(logger, WandbLogger):  # its table of runs shows the best, not the last
                    for key in (self.report.metric, *keyed):
                        logger.experiment.define_metric(key, "trainer/global_step", summary=better(key))

    on_test_start = on_validation_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end

    def _skips(self, trainer: Trainer) -> bool:
        return trainer.sanity_checking or not self._judges

    def _can_judge(self, pixels: Tensor) -> bool:
        """Whether the extractor takes images like these, uint8 (1, C, H, W); a chosen one that does not raises."""
        try:
            self.features.prepare(pixels)
        except ValueError as error:
            if self._is_chosen:
                raise
            rank_zero_warn(f"There will be no evaluation. {error}")
            return False
        return True

    def _scores(self, trainer: Trainer, pl_module: LightningModule, step: int) -> tuple[float, dict[str, float]]:
        """The Fréchet distance of fresh fakes, and other values; NaN, with a warning, if any fake is not finite."""
        broken, fakes = self._draw_fakes(trainer, cast("SupportsSampling", pl_module))
        if broken:
            rank_zero_warn(
                f"{broken} of {self._num_fakes} images of the generator are not finite at step {step}: "
                f"{self._split}/{self.features.fid_name} is NaN. Training goes on, but does not recover from this by "
                "itself: go back to an earlier checkpoint with a lower learning rate or --trainer.precision 32-true."
            )
            value, others = math.nan, {}  # torchmetrics' compute() would kill the interpreter
        else:
            value, others = self._metric.compute().item(), self._samplewise.values(fakes)
        self._metric.reset()
        return value, others

    def _draw_fakes(self, trainer: Trainer, sampler: SupportsSampling) -> tuple[int, list[Tensor]]:
        """Feed this process's share of the fakes to the metric.

        Each batch has a seed of its own and goes to one process, so the fakes do not depend on how many there are.

        Returns:
            How many are not finite over all processes, and the features of this process's batches.
        """
        broken = torch.zeros((), dtype=torch.int64, device=self._device)
        parts: list[Tensor] = []
        starts = range(0, self._num_fakes, self.batch_size)
        for batch in range(trainer.global_rank, len(starts), trainer.world_size):
            size = min(self.batch_size, self._num_fakes - starts[batch])
            indices = torch.arange(size) + starts[batch]
            classes = {"labels": in_shares(self._class_counts, indices)} if self._class_counts else {}
            images = sampler.sample(size, **classes, seed=self.seed * SEED_STRIDE + batch)
            broken_here = size - int(images.isfinite().flatten(1).all(dim=1).sum())
            broken += broken_here
            if not broken_here:
                parts.append(self.features(self._quantise(images)))
                self._metric.update(parts[-1], real=False)
        return int(trainer.strategy.reduce(broken, reduce_op="sum")), parts

    def _quantise(self, images: Tensor) -> Tensor:
        """Pixels as a viewer of the saved image would see them; float32 first, since bfloat16 sums round."""
        return to_uint8(images.float()).to(self._device)

    def _complete_reals(self, trainer: Trainer) -> None:
        """Count the real images of all processes and keep their statistics, if they are those of the whole split."""
        states = [getattr(self._metric, name).clone() for name in METRIC_STATES]
        total, outer, count = (trainer.strategy.reduce(state, reduce_op="sum") for state in states)
        statistics = RealStatistics(total, outer, count, self._samplewise.gather_real())
        self._num_reals = int(statistics.num_images)
        check_count(self._num_reals, self._split, self.features.fid_name)
        key = cache_key(trainer, self._split, self._extractor, self._samplewise.num)
        if key is not None and key["count"] == self._num_reals and trainer.is_global_zero:
            write_statistics(self._cache_path(trainer, key), key, statistics)

    def _cache_path(self, trainer: Trainer, key: Key) -> Path:
        folder = Path(self.cache_dir) if self.cache_dir else Path(trainer.default_root_dir) / "cache"
        return file_of(folder, self._split, key)
