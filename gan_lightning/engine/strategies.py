"""Training on several processes: the gradients of one network are reduced at its own step."""

import itertools
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, Strategy, StrategyRegistry
from torch import Tensor
from torch.optim import Optimizer

from gan_lightning.arguments import check_positive

T = TypeVar("T")


class GANDDPStrategy(DDPStrategy):
    """Data parallel training of two networks that take turns: ``Trainer(devices=2, strategy="gan_ddp")``.

    DistributedDataParallel expects one network, one forward and one backward pass a step, and either raises or reduces
    the gradients of both players at each backward pass. Here nothing is wrapped: when an optimizer steps, the gradients
    that it is about to use are averaged over the processes, once, whatever made them. A step on several processes
    therefore equals that of one process on the whole batch, except for what networks compute over the images of their
    own process (batch norm). Gradients may be clipped after that, in ``on_before_optimizer_step``.

    All processes start from the parameters and buffers of process 0. Buffers that drift apart in between, such as
    running means, are taken from process 0 again before validation and saving.

    Args:
        bucket_mib: Gradients travel in flat buffers of this many MiB (a larger parameter travels alone). At most two
            travel at a time, so that reducing takes 2 * max(bucket_mib, size of the largest parameter) of memory, and
            twice that between two processes with gloo, which exchange their buffers.
        timeout_s: Seconds that a process waits for the others before it gives up with an error.
        start_method: How processes are launched.
        process_group_backend: "nccl", "gloo" ...; by default what suits the device.
        kwargs: For Lightning's ``DDPStrategy``, from the trainer.

    Raises:
        ValueError: If ``bucket_mib`` or ``timeout_s`` is not above 0.
    """

    strategy_name = "gan_ddp"

    def __init__(
        self,
        *,
        bucket_mib: float = 25.0,
        timeout_s: float = 1800.0,
        start_method: Literal["popen", "spawn", "fork", "forkserver"] = "popen",
        process_group_backend: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_positive(bucket_mib=bucket_mib, timeout_s=timeout_s)
        super().__init__(
            timeout=timedelta(seconds=timeout_s),
            start_method=start_method,
            process_group_backend=process_group_backend,
            **kwargs,
        )
        self.bucket_bytes = int(bucket_mib * 2**20)

    def configure_ddp(self) -> None:
        """Give all processes the same start, without a wrapper."""
        module: Any = self.lightning_module
        self._broadcast(itertools.chain(module.parameters(), module.buffers()))

    def _broadcast(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            dist.broadcast(tensor.detach(), 0)

    def on_validation_start(self) -> None:
        """Let all processes judge the same networks."""
        self._synchronize_buffers()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds: the buffers are those of process 0 on every process."""
        self._synchronize_buffers()
        return super().lightning_module_state_dict()

    def _synchronize_buffers(self) -> None:
        module: Any = self.lightning_module
        self._broadcast(module.buffers())

    def optimizer_step(self, optimizer: Optimizer, closure: Callable[[], T], model: Any = None, **kwargs: Any) -> Any:
        """Average the gradients that the optimizer is about to use, then let it step."""

        def reduced() -> T:
            output = closure()
            parameters = itertools.chain.from_iterable(group["params"] for group in optimizer.param_groups)
            average_over_processes([p.grad for p in parameters if p.grad is not None], self.bucket_bytes)
            return output

        return super().optimizer_step(optimizer, reduced, model, **kwargs)


def average_over_processes(tensors: list[Tensor], bucket_bytes: int) -> None:
    """Replace tensors by their means over all processes, which must hold equally many, of the same shapes and types.

    While one bucket travels, the next is packed and the one before it is unpacked.

    Args:
        tensors: Dense, changed in place.
        bucket_bytes: Largest size of a flat buffer, unless one tensor is larger.
    """
    world_size = dist.get_world_size()
    travelling: tuple[list[Tensor], Tensor, Callable[[], object]] | None = None
    for bucket in itertools.chain(_buckets(tensors, bucket_bytes), [None]):
        sent = None
        if bucket is not None:
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            sent = bucket, flat, _start_sum(flat)
        if travelling is not None:
            members, flat, finish = travelling
            finish()
            parts = flat.div_(world_size).split([tensor.numel() for tensor in members])
            torch._foreach_copy_(members, [part.view_as(tensor) for part, tensor in zip(parts, members, strict=True)])
        travelling = sent


def _start_sum(flat: Tensor) -> Callable[[], object]:
    """Begin to sum a buffer over all processes, in place; returns a function that waits for the end."""
    # gloo cannot send CUDA tensors.
    if dist.get_world_size() != 2 or dist.get_backend() != "gloo" or flat.device.type != "cpu":
        work: Any = dist.all_reduce(flat, async_op=True)
        finish: Callable[[], object] = work.wait
        return finish
    # gloo's all_reduce takes two to six times as long as an exchange.
    other = 1 - dist.get_rank()
    received = torch.empty_like(flat)
    exchange = [dist.P2POp(dist.isend, flat, other), dist.P2POp(dist.irecv, received, other)]
    works = dist.batch_isend_irecv(exchange)

    def add() -> None:
        for work in works:
            work.wait()
        flat.add_(received)

    return add


def _buckets(tensors: list[Tensor], bucket_bytes: int) -> Iterator[list[Tensor]]:
    """Lists of tensors of one type that fit into a bucket together, in their order."""
    bucket: list[Tensor] = []
    size = 0
    for tensor in sorted(tensors, key=lambda tensor: str(tensor.dtype)):
        if bucket and (tensor.dtype != bucket[0].dtype or size + tensor.nbytes > bucket_bytes):
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.nbytes
    if bucket:
        yield bucket


def check_strategy(strategy: Strategy) -> None:
    """Refuse strategies under which the game of two networks fails or silently diverges.

    Raises:
        ValueError: For all but a single device, gan_ddp, and DDP that finds unused parameters without static graph.
    """
    if isinstance(strategy, GANDDPStrategy | SingleDeviceStrategy):
        return
    options = getattr(strategy, "_ddp_kwargs", {})
    if type(strategy) is DDPStrategy and options.get("find_unused_parameters") and not options.get("static_graph"):
        return
    name = getattr(strategy, "strategy_name", type(strategy).__name__)
    raise ValueError(
        f"The strategy {name} cannot train two networks that take turns: it fails, or its processes diverge. "
        "Use strategy='gan_ddp' (fast), or 'ddp_find_unused_parameters_true'."
    )


def explain_lost_connection(error: Exception) -> str | None:
    """What a process tells its user when the others are gone; None for any other error."""
    frames = traceback.extract_tb(error.__traceback__)
    place = frames[-1].filename if frames else ""
    if place != __file__ and "torch/distributed" not in Path(place).as_posix():  # messages of backends vary
        return None
    return (
        f"This process lost the others: {str(error).strip().splitlines()[0]}\nThe last checkpoint of the run is whole. "
        "Find out why a process or the connection failed, then start all again with --run_name and --ckpt_path last."
    )


StrategyRegistry.register("gan_ddp", GANDDPStrategy, description="Data parallel training of GANs", override=True)
