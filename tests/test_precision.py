"""Which precisions train, and what "full" means."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import Evaluation
from gan_lightning.precision import PRECISIONS, at_least_fp32, check_precision, full_precision, without_tf32

Build = Callable[..., AdversarialModule]
BuildTrainer = Callable[..., Trainer]


CASES = [
    *((name, "bf16-mixed") for name in gan_lightning.__all__),
    *itertools.product(["ConditionalDCGAN", "StyleGAN2"], set(PRECISIONS) - {"bf16-mixed"}),
]
"""Every GAN in bf16, and two in the other precisions."""


@pytest.mark.filterwarnings("ignore:.*16-mixed.*CPU")
@pytest.mark.parametrize(("name", "precision"), sorted(CASES))
def test_gans_train_sample_and_evaluate_in_a_legal_precision(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, mean_features: Any, name: str, precision: str
) -> None:
    options: dict[str, Any] = {"limit_val_batches": 1, "val_check_interval": 2, "num_sanity_val_steps": 0}
    evaluation = Evaluation(mean_features, 8, batch_size=4)
    fit = trainer(max_steps=2, precision=precision, callbacks=[evaluation], **options)
    gan = tiny_gan(name)
    fit.fit(gan, tiny_data)
    assert evaluation.report is not None
    assert evaluation.report.value > 0
    samples = gan.sample(3, seed=0)
    assert samples.dtype == (torch.float64 if precision == "64-true" else torch.float32)
    assert samples.isfinite().all()
    latents = gan.sample_latent(2).requires_grad_()
    labels = torch.zeros(2, dtype=torch.int64)
    (gradient,) = torch.autograd.grad(gan(latents, labels).sum(), latents)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_weights_in_16_bits_are_refused_with_the_cure(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, precision: str
) -> None:
    with pytest.raises(ValueError, match=f"precision '{precision}' keeps weights in 16 bits.*Use one of .*bf16-mixed"):
        trainer(max_steps=1, precision=precision).fit(tiny_gan("GAN"), tiny_data)


@pytest.mark.parametrize(
    ("capabilities", "slow"),
    [
        ({"avx512_bf16": True}, False),
        ({"bf16": True, "architecture": "arm64"}, False),
        ({}, False),
        ({"avx2": True}, True),
    ],
)
def test_a_processor_that_has_no_16_bits_is_told_of(
    capabilities: dict[str, Any], slow: bool, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    check_precision("bf16-mixed", torch.device("cpu"))
    assert ["'bf16-mixed' is several times slower" in str(warning.message) for warning in recwarn] == [True] * slow
    check_precision("32-true", torch.device("cpu"))
    check_precision("bf16-mixed", torch.device("cuda"))
    assert len(recwarn) == slow


def test_half_becomes_single_and_double_stays() -> None:
    for dtype, expected in ((torch.bfloat16, torch.float32), (torch.float16, torch.float32), (torch.float64,) * 2):
        assert at_least_fp32(torch.zeros(1, dtype=dtype)).dtype == expected


def test_full_precision_turns_autocast_off() -> None:
    matrix = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert (matrix @ matrix).dtype == torch.bfloat16
        with full_precision(torch.device("cpu")):
            assert (matrix @ matrix).dtype == torch.float32
        assert (matrix @ matrix).dtype == torch.bfloat16


def tf32() -> tuple[bool, bool]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


@pytest.fixture
def _switches() -> Iterator[None]:
    before = tf32()
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.usefixtures("_switches")
@pytest.mark.parametrize("before", [(True, True), (True, False), (False, False)])
def test_tf32_is_off_within_and_as_before_afterwards(before: tuple[bool, bool]) -> None:
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
    with pytest.raises(KeyError), without_tf32():
        assert tf32() == (False, False)
        raise KeyError
    assert tf32() == before


def test_penalties_and_their_backward_pass_run_without_tf32(
    tiny_gan: Build, trainer: BuildTrainer, tiny_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    gan = tiny_gan("SNGAN", stabilizers=[{"class_path": "R1", "init_args": {"every": 2}}])
    backward = gan.manual_backward
    inside = []

    def spy(device: torch.device, eager: bool = False) -> Any:
        class Context:
            def __enter__(self) -> None:
                inside.append(1)

            def __exit__(self, *_: Any) -> None:
                inside.pop()

        return Context()

    monkeypatch.setattr("gan_lightning.base.full_precision", spy)
    monkeypatch.setattr(
        gan, "manual_backward", lambda *a, **k: (seen.append("full" if inside else "-"), backward(*a, **k))
    )
    trainer(max_steps=3).fit(gan, tiny_data)
    assert seen == ["full", "-", "-", "-", "full", "-"]  # D and G in turn; R1 is due on the first and third of D
