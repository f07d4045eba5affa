"""Where the statistics of real images are kept from one run to the next, and what they depend on."""

from collections.abc import Sized
from typing import Any

from lightning.pytorch import Trainer

from gan_lightning.metrics.cache import Key


def of_datamodule(trainer: Trainer, attribute: str) -> Any:
    """None for a foreign data module, or none at all."""
    return getattr(getattr(trainer, "datamodule", None), attribute, None)


def cache_key(trainer: Trainer, split: str, extractor: str, num_rows: int) -> Key | None:
    """What the statistics depend on; None if the data are unnamed or the loop does not see the whole split.

    Args:
        trainer: In validation or test.
        split: "val" or "test".
        extractor: Names the features.
        num_rows: Images whose features are kept, beside sums, if there are so many.
    """
    batches = trainer.num_test_batches if split == "test" else trainer.num_val_batches
    loader, count = _loader(trainer, split), count_of(trainer, split)
    data = of_datamodule(trainer, "fingerprint")
    if (
        trainer.fast_dev_run  # type: ignore[attr-defined]
        or data is None
        or count is None
        or batches[0] != len(loader)
    ):
        return None
    return {"data": data, "split": split, "extractor": extractor, "count": count, "spread_rows": min(num_rows, count)}


def count_of(trainer: Trainer, split: str) -> int | None:
    """How many images the data set of a split's loader has; None if it does not tell, or there is no loader yet."""
    dataset = getattr(_loader(trainer, split), "dataset", None)
    return len(dataset) if isinstance(dataset, Sized) else None


def check_count(count: int, split: str, metric: str) -> None:
    """Refuse to compare with a single image.

    Raises:
        ValueError: There are fewer than two.
    """
    if count < 2:
        option = "test_num_samples" if split == "test" else "num_samples"
        raise ValueError(
            f"{split}/{metric} needs at least 2 real images, the {split} loader gave {count}: give the {split} split "
            f"more, or do without an evaluation, --evaluation.{option} 0."
        )


def _loader(trainer: Trainer, split: str) -> Any:
    loaders = trainer.test_dataloaders if split == "test" else trainer.val_dataloaders
    return loaders[0] if isinstance(loaders, list | tuple) and loaders else loaders
