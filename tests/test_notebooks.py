"""The notebooks run from top to bottom, on a checkpoint of a short training."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer

from gan_lightning.base import AdversarialModule

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PICTURES = {"quickstart": 2, "walks": 5}
"""Of each notebook."""


@pytest.mark.slow
@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_pictures(
    notebook: Path,
    tiny_gan: Callable[..., AdversarialModule],
    trainer: Callable[..., Trainer],
    tiny_data: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("matplotlib")
    fit = trainer(max_steps=1)
    fit.fit(tiny_gan("ConditionalDCGAN"), tiny_data)
    fit.save_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt")
    monkeypatch.setenv("GAN_LIGHTNING_RUNS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    monkeypatch.setenv("JUPYTER_PATH", f"{sys.prefix}/share/jupyter")
    content = nbformat.read(notebook, as_version=4)
    nbclient.NotebookClient(content, timeout=120, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    pictures = [
        output for cell in content.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == PICTURES[notebook.stem]
