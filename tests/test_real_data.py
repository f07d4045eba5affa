"""Trainings on the real MNIST, through the command line: digits are learnt, and judged on the test images."""

import os
import sys
from pathlib import Path

import pytest
from torchmetrics.image.fid import FrechetInceptionDistance

from datamodules import MNISTDataModule
from gan_lightning.commands.cli import GANCLI
from gan_lightning.metrics import MNISTFeatures

ROOT = Path(__file__).parents[1]
MNIST = Path(os.environ.get("GAN_LIGHTNING_MNIST", ROOT.parent / "shared" / "data"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (MNIST / "MNIST" / "raw").is_dir(), reason=f"there is no MNIST in {MNIST}"),
]
ONLY_ONES = 432
"""``fid_mnist`` of a set that holds nothing but ones, see benchmarks/fid_mnist_scale.py."""


@pytest.fixture
def quick_gan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options of 500 updates with a quick recipe, which end at an FID of about 50."""
    monkeypatch.setattr(sys, "argv", ["gan-lightning"])
    files = [f"--config={ROOT / 'configs' / name}.yaml" for name in ("data/mnist", "model/dcgan")]
    recipe = ["--model.width=16", "--model.lr=0.001", "--model.betas=[0.5,0.99]"]
    where = [f"--data.root={MNIST}", f"--trainer.default_root_dir={tmp_path}", "--run_name=quick"]
    return [*files, *recipe, *where, "--trainer.accelerator=cpu", "--trainer.max_steps=500"]


def test_validation_and_training_images_are_alike() -> None:
    """Every twelfth image of the file differs by 10: see DigitDataModule."""
    data = MNISTDataModule(str(MNIST))
    metric = FrechetInceptionDistance(MNISTFeatures())
    for split, real in (("val", True), ("train", False)):
        for pixels in data.dataset(split).pixels[:5000].split(1000):  # type: ignore[arg-type]
            metric.update(pixels, real=real)
    assert metric.compute() < 2


def test_a_dcgan_learns_digits_within_500_updates(quick_gan: list[str]) -> None:
    fit = GANCLI(["fit", *quick_gan, "--trainer.val_check_interval=250"])
    assert fit.evaluation.report is not None
    assert fit.evaluation.report.reals == 5000
    test = GANCLI(["test", *quick_gan, "--ckpt_path=last"])
    report = test.evaluation.report
    assert report is not None
    assert (report.fakes, report.reals, report.split) == (10_000, 10_000, "test")
    assert 1 < report.value < ONLY_ONES / 2
