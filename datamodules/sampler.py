"""Which images stand in which batch: counted for training, in order for evaluation, one shard a process."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b

import torch
from torch import Tensor
from torch.utils.data import Sampler


@lru_cache(maxsize=2)  # of both domains of a translation
def epoch_order(length: int, seed: int, epoch: int, flip: bool = False) -> Tensor:
    """Permutation of an epoch, a pure function of its arguments.

    Args:
        length: Number of images.
        seed: Any integer.
        epoch: Number of the epoch, from 0.
        flip: Mirror each image with probability 1/2. The order is the same with and without.

    Returns:
        (length,) int64, each of 0 ... length - 1 once, those of mirrored images + length. It is cached: do not write
        to it.
    """
    # Hashed, because neighbouring seeds and epochs would otherwise share streams: (0, 1) and (1, 0).
    digest = blake2b(f"{seed},{epoch}".encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
    order = torch.randperm(length, generator=generator)
    return order + length * torch.randint(2, (length,), generator=generator) if flip else order


class CountedSampler(Sampler[list[int]]):
    """Shuffled batches counted over the whole run: batch k is a pure function of (seed, k).

    An epoch is a permutation cut into `len(self)` global batches; its incomplete last batch is dropped. A run
    that begins at batch k therefore goes on exactly as one that began at 0, and nothing needs saving.

    Args:
        length: Number of images, at least one global batch.
        batch_size: Images a batch on each process, at least 1.
        seed: Seed of the run.
        start: Number of batches that the run has processed; asked whenever an iteration begins.
        rank: Number of this process, in [0, world_size).
        world_size: Number of processes. The global batch of `batch_size * world_size` images does not depend on
            how it is shared: process r takes [r::world_size] of it.
        flip: Mirror each image with probability 1/2, anew in each epoch; the index of a mirrored image is that of the
            image + length.

    Example:
        >>> run = CountedSampler(length=5, batch_size=2)
        >>> resumed = CountedSampler(length=5, batch_size=2, start=lambda: 3)
        >>> list(resumed) == [run.batch(3), run.batch(4)]
        True
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        *,
        seed: int = 0,
        start: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
        flip: bool = False,
    ) -> None:
        self.length = length
        self.global_batch = batch_size * world_size
        self.seed = seed
        self.start = start
        self.rank = rank
        self.world_size = world_size
        self.flip = flip

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.length // self.global_batch

    def __iter__(self) -> Iterator[list[int]]:
        """One epoch's number of batches from `start()`, across the end of an epoch where it falls inside."""
        first = self.start()
        return (self.batch(number) for number in range(first, first + len(self)))

    def batch(self, number: int) -> list[int]:
        """Indices of this process's share of a batch.

        Args:
            number: Number of the batch in the whole run, from 0.

        Returns:
            `batch_size` indices in [0, length), or in [0, 2 * length) with `flip`.
        """
        epoch, position = divmod(number, len(self))
        begin = position * self.global_batch
        order = epoch_order(self.length, self.seed, epoch, self.flip)
        return order[begin + self.rank : begin + self.global_batch : self.world_size].tolist()


class OrderedSampler(Sampler[list[int]]):
    """Batches in file order: every image exactly once over all processes, none repeated, none dropped.

    The batches are of near-equal size, and as many on every process wherever each has an image for each of
    them, so that collectives inside an evaluation step meet.

    Args:
        length: Number of images.
        batch_size: Most images a batch on each process, at least 1.
        rank: Number of this process, in [0, world_size); it takes the images [rank::world_size].
        world_size: Number of processes.

    Example:
        >>> list(OrderedSampler(length=7, batch_size=2, rank=1, world_size=2))
        [[1, 3], [5]]
    """

    def __init__(self, length: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        batches = max(1, math.ceil(length / (batch_size * world_size)))
        chunks = torch.arange(length)[rank::world_size].tensor_split(batches)
        self.batches: list[list[int]] = [chunk.tolist() for chunk in chunks if len(chunk)]

    def __len__(self) -> int:
        """Batches on this process."""
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        """Batches of indices in [0, length), ascending."""
        return iter(self.batches)
