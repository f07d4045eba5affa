"""Run directories as trainings leave them, whole and damaged."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_lightning.images import write_png

VALUES = {"precision": 0.7, "recall": 0.6, "density": 0.8, "coverage": 0.9}
FINDING = {"step": 40, "name": "collapse", "diagnosis": "Samples are alike.", "advice": "Try R1."}


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the library that draws is kept."""
    return tmp_path_factory.mktemp("cache")


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run directory with what is given of it, and returns its path; a finding may be its name alone."""

    def write(
        name: str = "some-run",
        distances: Sequence[float] = (100.0, 20.0),
        values: dict[str, float] | None = None,
        findings: Sequence[str | dict[str, Any]] = (),
        end: dict[str, Any] | None = None,
        config: str = "trainer: {max_steps: 100}\nmodel: {class_path: gan_lightning.DCGAN}\n",
    ) -> Path:
        path = tmp_path / name
        (path / "checkpoints").mkdir(parents=True)
        (path / "checkpoints" / "best.ckpt").touch()
        known = VALUES if values is None else values
        header = ["epoch", "step", "train/d_loss", "val/fid_mnist", *(f"val/{key}" for key in known)]
        rows = [",".join(header)]
        for place, distance in enumerate(distances, 1):
            cells = [0, 50 * place, 0.5 / place, distance, *known.values()]
            rows.append(",".join(map(str, cells)))
        (path / "metrics.csv").write_text("\n".join(rows) + "\n")
        (path / "config.yaml").write_text(config)
        (path / "hparams.yaml").write_text("evaluation: {fakes: 2000, reals: 5000, seed: 0}\n")
        for step in (50, 100):
            images = torch.full((4, 1, 8, 8), step / 100 - 0.5)
            write_png(images, path / "samples" / f"step-{step:07d}.png")
        write_png(torch.zeros(4, 1, 8, 8), path / "real.png")
        lines = [{"name": found} if isinstance(found, str) else found for found in findings]
        lines = [line if "cleared_at" in line else {**FINDING, **line} for line in lines]
        write_lines(path / "findings.jsonl", lines)
        began = {"began": "2026-01-01 00:00:00 UTC", "from_step": 0, "command": "gan-lightning fit"}
        ended = {"ended": "2026-01-01 01:00:00 UTC", "step": 100, **(end or {"how": "finished"})}
        write_lines(path / "sessions.jsonl", [began, ended])
        return path

    return write
