"""The seed of a run: that of ``seed_everything``, or one that is drawn where nobody chose."""

import os
from typing import ClassVar

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info

VARIABLE = "PL_GLOBAL_SEED"
"""Where ``seed_everything`` keeps its seed; data modules and draws read it there."""


class RunSeed:
    """Draws a seed at the start of a training if there is none, from torch's generator; a resumed run keeps its own.

    Attributes:
        value: The seed of the last run.
    """

    _drawn: ClassVar[str | None] = None
    """The seed that nobody chose, as long as it stands in the environment: also after a training that failed."""

    def __init__(self) -> None:
        self.value = 0

    def choose(self, trainer: Trainer) -> None:
        """Draw a seed, the same for all processes, unless somebody chose one."""
        if os.environ.get(VARIABLE) in {None, RunSeed._drawn}:
            seed = trainer.strategy.broadcast(int(torch.randint(2**32, ())))
            os.environ[VARIABLE] = RunSeed._drawn = str(seed)
            rank_zero_info(f"Seed of this run: {seed}. seed_everything({seed}) before fit repeats it.")
        self.value = int(os.environ[VARIABLE])

    def resume(self, seed: int | None) -> None:
        """Take up the seed of a checkpoint; None for one that does not tell.

        Raises:
            ValueError: If another one was chosen.
        """
        if seed is None or seed == self.value:
            return
        if os.environ[VARIABLE] != RunSeed._drawn:
            raise ValueError(
                f"The run has seed {seed}, but seed_everything is {self.value}: the order of the images would change. "
                f"Resume with seed_everything {seed}, or start a new run from these weights by --init_from."
            )
        self.value = seed
        os.environ[VARIABLE] = RunSeed._drawn = str(seed)

    def forget(self) -> None:
        """Leave a seed that was drawn to this run alone."""
        if os.environ.get(VARIABLE) == RunSeed._drawn:
            os.environ.pop(VARIABLE, None)
        RunSeed._drawn = None
