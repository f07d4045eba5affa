"""RankCheck."""

import hashlib
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class RankCheck(Callback):
    """For debugging: checks that all processes hold equal parameters, bit by bit, and ends the run if they do not.

    Args:
        every_n_steps: Updates of G from one check to the next; 0 for no checks.

    Raises:
        ValueError: If ``every_n_steps`` is negative.
    """

    def __init__(self, every_n_steps: int = 0) -> None:
        if every_n_steps < 0:
            raise ValueError(f"RankCheck takes every_n_steps of at least 0, got {every_n_steps}.")
        self.every_n_steps = every_n_steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Compare, if it is due.

        Raises:
            RuntimeError: On every process, if one differs from process 0.
        """
        if trainer.world_size == 1 or not self.every_n_steps or trainer.global_step % self.every_n_steps:
            return
        names, digests = zip(*((name, _digest(p)) for name, p in pl_module.named_parameters()), strict=True)
        own = torch.tensor(digests, device=trainer.strategy.root_device)
        everyone = [torch.empty_like(own) for _ in range(trainer.world_size)]
        dist.all_gather(everyone, own)
        apart = (torch.stack(everyone) != everyone[0]).nonzero().tolist()
        if apart:
            rank, parameter = apart[0]
            raise RuntimeError(
                f"After step {trainer.global_step} process {rank} holds another '{names[parameter]}' than process 0 "
                f"({len({place for _, place in apart})} of {len(names)} parameters differ somewhere). One process "
                "does to its networks what the others do not: a gradient that is not made by manual_backward, a branch "
                "that depends on its own batch, or a random number drawn outside of the step."
            )


def _digest(tensor: Tensor) -> int:
    """63 bits of a hash of the bytes of a tensor."""
    data = tensor.detach().reshape(-1).cpu().view(torch.uint8).numpy().tobytes()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> 1
