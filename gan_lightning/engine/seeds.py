"""The seed of a run: that of ``seed_everything``, or one that is drawn if nobody chose."""

import os
from typing import ClassVar

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info

VARIABLE = "PL_GLOBAL_SEED"
"""Where ``seed_everything`` keeps its seed; data modules and draws read it there."""


class RunSeed:
    """Draws a seed from torch's generator when training starts without one; a resumed run keeps its own.

    Attributes:
        value: The seed of the last run.
    """

    _drawn: ClassVar[str | None] = None
    """The seed that nobody chose, while it is in the environment: also after a training that failed."""

    def __init__(self) -> None:
        self.value = 0

    def choose(self, trainer: Trainer) -> None:
        """Draw a seed, the same for all processes, unless somebody chose one."""
        if os.environ.get(VARIABLE) in {None, RunSeed._drawn}:
            seed = trainer.strategy.broadcast(int(torch.randint(2**32, ())))
            os.environ[VARIABLE] = RunSeed._drawn = str(seed)
            rank_zero_info(f"Seed of this run: {seed}. seed_everything({seed}) before fit repeats the run.")
        self.value = int(os.environ[VARIABLE])

    def resume(self, seed: int | None) -> None:
        """Take over the seed of a checkpoint; None for one that has none.

        Raises:
            ValueError: If another one was chosen.
        """
        if seed is None or seed == self.value:
            return
        if os.environ[VARIABLE] != RunSeed._drawn:
            raise ValueError(
                f"The run has seed {seed}, but seed_everything is {self.value}: the order of the images would change. "
                f"Resume with seed_everything {seed}, or start a new run from these weights with --init_from."
            )
        self.value = seed
        os.environ[VARIABLE] = RunSeed._drawn = str(seed)

    def forget(self) -> None:
        """Remove a seed that was drawn, so that only this run has it."""
        if os.environ.get(VARIABLE) == RunSeed._drawn:
            os.environ.pop(VARIABLE, None)
        RunSeed._drawn = None
