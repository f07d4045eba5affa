"""Random numbers of a training step that do not depend on how many processes and micro-batches share the batch."""

import hashlib
import os
from collections.abc import Callable

import torch
from torch import Generator, Tensor


def counted_seed(*counters: int) -> int:
    """Hash counters (a step, a rank ...) and the seed of ``seed_everything`` to 63 bits, unrelated for neighbours.

    Example:
        >>> counted_seed(0, 1) == counted_seed(0, 1), counted_seed(0, 1) == counted_seed(1, 0)
        (True, False)
    """
    seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))
    return int.from_bytes(hashlib.blake2b(repr((seed, *counters)).encode(), digest_size=8).digest(), "big") >> 1


class SharedDraws:
    """Draws for the whole batch of an update, over all processes, and gives each process and micro-batch its part.

    The k-th draw since :meth:`begin` is a function of (seed, counters, k) and of the size of the whole batch. Image i
    of the whole batch therefore meets the same numbers on one process and on several, where process r holds
    [r::world_size] of the batch, and each of its micro-batches an equal, contiguous part of that.

    Example:
        >>> draws = SharedDraws()
        >>> draws.begin(7)
        >>> whole = draws.uniform(4)
        >>> draws.begin(7, rank=1, world_size=2)
        >>> torch.equal(draws.uniform(2), whole[1::2])
        True
    """

    def __init__(self) -> None:
        self.begin()

    def begin(
        self,
        *counters: int,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world_size: int = 1,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        """Begin an update, or one of its micro-batches.

        Args:
            counters: What distinguishes the update from all others, such as (step, number).
            device: Where to draw.
            rank: Number of this process, in [0, world_size).
            world_size: Number of processes.
            part: Number of the micro-batch, in [0, parts).
            parts: Number of micro-batches.
        """
        self.counters = counters
        self.device = device
        self.rank, self.world_size = rank, world_size
        self.part, self.parts = part, parts
        self.drawn = 0

    def share(self, count: int, draw: Callable[[int, Generator], Tensor]) -> Tensor:
        """This part of what ``draw(number, generator)`` makes for the whole batch.

        Args:
            count: Images of this part, as many as in each other part.
            draw: Draws (number, ...) from the generator, on its device.

        Returns:
            (count, ...).
        """
        generator = Generator(self.device).manual_seed(counted_seed(*self.counters, self.drawn))
        self.drawn += 1
        whole = draw(count * self.parts * self.world_size, generator)
        return whole[self.rank :: self.world_size][self.part * count :][:count]

    def uniform(self, count: int, *shape: int) -> Tensor:
        """Numbers from U(0, 1), ``(count, *shape)``."""
        return self.share(count, lambda n, generator: torch.rand(n, *shape, generator=generator, device=self.device))

    def normal_like(self, images: Tensor) -> Tensor:
        """Numbers from N(0, 1) for images of this part, of their shape, see :meth:`fill_like`."""
        return self.fill_like(images, Tensor.normal_)

    def uniform_like(self, images: Tensor) -> Tensor:
        """Numbers from U(0, 1) for images of this part, of their shape, see :meth:`fill_like`."""
        return self.fill_like(images, Tensor.uniform_)

    def fill_like(self, images: Tensor, fill: Callable[..., Tensor]) -> Tensor:
        """Noise for images of this part: each image has a seed of its own.

        Such noise is not drawn for the whole batch, as each of n processes would draw n times its share.

        Args:
            images: (count, ...), as many as in each other part.
            fill: Draws into a tensor: ``fill(tensor, generator=...)``.
        """
        generator = Generator(images.device)
        noise = torch.empty(images.shape, dtype=images.dtype, device=images.device)
        for number, row in enumerate(noise, start=self.part * len(images)):
            place = number * self.world_size + self.rank  # in the whole batch
            fill(row, generator=generator.manual_seed(counted_seed(*self.counters, self.drawn, place)))
        self.drawn += 1
        return noise

    @property
    def step(self) -> int:
        """The first counter: updates of G so far."""
        return self.counters[0] if self.counters else 0


def seed_default_generators(seed: int, device: torch.device) -> None:
    """Seed torch's own generators, of the CPU and of a device, from which networks draw.

    ``torch.manual_seed`` would also queue a call for each kind of device that is not in use: 1 ms a step, and memory
    that is never freed.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
