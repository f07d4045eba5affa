"""The loader of whole batches, which Lightning takes as it is."""

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader, Sampler

from datamodules.pixels import Batch, PixelDataset, normalize


class BatchLoader:
    """Loader of finished batches that Lightning takes exactly as it is.

    It holds a `DataLoader` but is not one: Lightning would replace the sampler of one (for several processes, for
    `overfit_batches`) and advise more workers, which slow an in-memory set down. It has `state_dict` because
    Lightning asks that of a loader that may be resumed in the middle of an epoch; the state is empty, for the
    sampler counts.

    Whoever iterates it gets images float32 in [-1, 1]. Only in the run of the trainer in which it was made are they
    uint8 pixels: a quarter of the bytes goes to the device, and :meth:`ImageDataModule.on_after_batch_transfer` makes
    the floats there. A run that was given the loader without its data module does not call that, and gets floats.

    Args:
        dataset: Indexed by the lists that the sampler yields.
        sampler: Yields one list of indices a batch.
        num_workers: Worker processes, at least 0. They hand over uint8.
        pin_memory: Whether batches lie in page-locked memory, from where they are copied to a GPU at full speed.
        run: Which run of the trainer is under way, None for none; asked at construction and whenever an iteration
            begins, which yields uint8 pixels if the answers are the same run.
    """

    def __init__(
        self,
        dataset: PixelDataset,
        sampler: Sampler[list[int]],
        num_workers: int = 0,
        pin_memory: bool = False,
        run: Callable[[], object | None] = lambda: None,
    ) -> None:
        self.dataset = dataset
        self.loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_size=None,
            sampler=sampler,
            collate_fn=tuple,  # the default would turn the pair into a list
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory,
        )
        self.run = run
        self.made_in = run()

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        """Yields `(images, labels)`, see :class:`PixelDataset` and, for others than the trainer, :func:`normalize`."""
        batches: Iterator[Batch]
        if self.loader.num_workers or self.loader.pin_memory:
            batches = iter(self.loader)
        else:
            batches = map(self.dataset.__getitem__, self.loader.sampler)  # spares a quarter of the time, if small
        return batches if self.made_in is not None and self.run() == self.made_in else map(normalize, batches)

    @property
    def _iterator(self) -> Any:
        """Holds the worker processes; under this name Lightning looks for it, to end them after a run."""
        return self.loader._iterator

    @_iterator.setter
    def _iterator(self, iterator: None) -> None:
        self.loader._iterator = iterator

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Does nothing."""
