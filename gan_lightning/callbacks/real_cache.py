"""Where the statistics of real images are kept from one run to the next, and what they depend on."""

from collections.abc import Sized
from typing import Any, cast

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
    testing = split == "test"
    loaders = trainer.test_dataloaders if testing else trainer.val_dataloaders
    batches = trainer.num_test_batches if testing else trainer.num_val_batches
    loader = loaders[0] if isinstance(loaders, list | tuple) else loaders
    dataset = getattr(loader, "dataset", None)
    data = of_datamodule(trainer, "fingerprint")
    if (
        trainer.fast_dev_run  # type: ignore[attr-defined]
        or data is None
        or not isinstance(dataset, Sized)
        or batches[0] != len(cast("Sized", loader))
    ):
        return None
    count = len(dataset)
    return {"data": data, "split": split, "extractor": extractor, "count": count, "rows": min(num_rows, count)}
