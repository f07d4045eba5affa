"""How shards of LitData are read: by splits, and in batches that are counted over a run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.decode import Pixels
from datamodules.pixels import Batch, normalize

ABSENT = {"404", "NoSuchKey", "NoSuchBucket"}
"""What a store answers where there is nothing."""


class Stream:
    """A split of LitData's.

    Args:
        dataset: ``litdata.StreamingDataset``.
        place: Its folder or address.
    """

    def __init__(self, dataset: Any, place: str) -> None:
        self.dataset = dataset
        self.place = place

    def __len__(self) -> int:
        """Images of all processes; the data set's own length is what each would get."""
        return sum(end - first for first, end in self.dataset.region_of_interest)

    @cached_property
    def digest(self) -> str:
        """Of its index, which LitData has beside the shards, or has fetched."""
        index = Path(self.dataset.input_dir.path) / "index.json"
        return blake2b(index.read_bytes(), digest_size=8).hexdigest()


class CountedStream:
    """LitData's loader, counted over the whole run: batch k is a function of the seed, k and how images are shared.

    Like :class:`~datamodules.loader.BatchLoader` it gives floats in [-1, 1], and the run in which it was made uint8.

    What LitData keeps of its position is made of the number of batches that the run has processed, so that nothing
    needs saving, and it does not matter in which order Lightning stops, saves and asks.

    Args:
        make: Makes the shuffled split.
        options: `batch_size`, on each process, `num_workers` and `pin_memory`.
        start: Number of batches that the run has processed; asked whenever an iteration begins.
        run: Which run of the trainer is under way, None for none.
    """

    def __init__(
        self,
        make: Callable[[], Stream],
        options: Mapping[str, Any],
        start: Callable[[], int],
        run: Callable[[], object | None],
    ) -> None:
        self.make = make
        self.options = options
        self.start = start
        self.run, self.made_in = run, run()
        self.length = len(self._loader(make().dataset))

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.length

    def __iter__(self) -> Iterator[Batch]:
        """The rest of an epoch: images (N, C, H, W) and labels (N,) int64."""
        epoch, done = divmod(self.start(), self.length)
        dataset = self.make().dataset
        loader = self._loader(dataset)
        loader.current_epoch = epoch  # LitData counts from 1, and one up when it begins
        if done:
            size, workers = self.options["batch_size"], max(1, self.options["num_workers"])
            dataset.set_epoch(epoch + 1)
            state = {"current_epoch": epoch + 1, "num_samples_yielded": done * size}
            position = dataset.state_dict(done * size, workers, size)
            loader.load_state_dict({**state, "dataset": position, "latest_worker_idx": (done - 1) % workers})
        yield from loader if self.made_in is not None and self.run() == self.made_in else map(normalize, loader)

    def _loader(self, dataset: Any) -> Any:
        return import_litdata().StreamingDataLoader(dataset, collate_fn=collate, drop_last=True, **self.options)

    def state_dict(self) -> dict[str, Any]:
        """Nothing; Lightning asks it of a loader that may be resumed in the middle of an epoch."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Does nothing."""


@contextmanager
def store_explained(place: str) -> Iterator[None]:
    """Turn what a store's client raises into errors that say what to do.

    Raises:
        FileNotFoundError: There is nothing at that address.
        ConnectionError: The store cannot be reached, or refuses.
    """
    errors = import_module("botocore.exceptions")  # LitData needs it
    try:
        yield
    except errors.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code in ABSENT:
            raise FileNotFoundError(f"There is nothing at {place}.") from error
        raise ConnectionError(f"The store refuses {place}: {error}. Check address and credentials.") from error
    except errors.BotoCoreError as error:
        raise ConnectionError(
            f"{place} cannot be read: {error}. Check the network, the address and the credentials."
        ) from error


def collate(samples: Sequence[tuple[Pixels, int]]) -> Batch:
    """A batch of samples: images (N, C, H, W) uint8 and labels (N,) int64."""
    pixels, labels = zip(*samples, strict=True)
    return torch.from_numpy(np.stack(pixels)), torch.tensor(labels, dtype=torch.int64)


def import_litdata() -> Any:
    """LitData.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    try:
        return import_module("litdata")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "StreamingImageDataModule needs LitData: pip install 'gan-lightning[streaming]', or litdata."
        ) from error
