"""Where 32 bits must be 32 bits: the logits of D, penalties, features."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")
BF16 = ("avx512_bf16", "amx_bf16", "bf16")
"""What processors that compute in bfloat16 have, two of x86 and one of ARM, as ``torch.cpu.get_capabilities`` says."""


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse the trainer's precisions in which a GAN does not train, and warn of one that the processor has not.

    Raises:
        ValueError: If weights would be kept in 16 bits.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision '{precision}' keeps weights in 16 bits or less, where small steps, such as those of the moving "
            f"average, vanish. Use one of {', '.join(PRECISIONS)}: the mixed ones compute in 16 bits, too."
        )
    if precision == "bf16-mixed" and device.type == "cpu" and not _cpu_computes_in_bf16():
        warnings.warn(
            f"This processor does not compute in bfloat16 (it has none of {', '.join(BF16)}): "
            "precision 'bf16-mixed' is several times slower on it than '32-true'.",
            stacklevel=2,
        )


def _cpu_computes_in_bf16() -> bool:
    """As far as PyTorch knows; older versions of it do not say."""
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return not capabilities or any(capabilities.get(name) for name in BF16)


def at_least_fp32(tensor: Tensor) -> Tensor:
    """Convert what a network made in half precision to 32 bits; 64 bits stay."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


@contextmanager
def full_precision(device: torch.device, eager: bool = False) -> Iterator[None]:
    """Compute in the precision of the tensors: without autocast, and on a GPU without TF32's 10 bits of mantissa.

    Args:
        device: Where the tensors are.
        eager: Whether compiled networks run uncompiled: compiled code has no second backward pass.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.autocast(device.type, enabled=False))
        if eager:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if device.type == "cuda":
            stack.enter_context(without_tf32())
        yield


def is_full_precision(device: torch.device) -> bool:
    """Whether one computes here as within :func:`full_precision`."""
    if torch.is_autocast_enabled(device.type):
        return False
    return device.type != "cuda" or all(getattr(owner, name) == off for owner, name, off in _tf32_switches())


@contextmanager
def without_tf32() -> Iterator[None]:
    """Turn TF32 off in convolutions and matrix products, and restore it afterwards."""
    switches = _tf32_switches()
    before = [getattr(owner, name) for owner, name, _ in switches]
    for owner, name, off in switches:
        setattr(owner, name, off)
    try:
        yield
    finally:
        for (owner, name, _), value in zip(switches, before, strict=True):
            setattr(owner, name, value)


def _tf32_switches() -> list[tuple[Any, str, Any]]:
    """What turns TF32 off, as (owner, attribute, value)."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    try:
        _ = cudnn.allow_tf32, matmul.allow_tf32
    except RuntimeError:  # the user chose by PyTorch 2.9's switches, which do not mix with these
        return [(place, "fp32_precision", "ieee") for place in (cudnn.conv, cudnn.rnn, matmul)]  # type: ignore[attr-defined]
    return [(cudnn, "allow_tf32", False), (matmul, "allow_tf32", False)]
