"""Pictures in notebooks, and what is said where matplotlib is missing."""

import importlib
import sys

import pytest
import torch

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
notebook = importlib.import_module("gan_lightning.notebook")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_is_shown_with_its_own_brightness(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook.plt, "show", lambda: None)
    grey = torch.zeros(6, channels, 4, 5)
    for images in (grey, torch.full_like(grey, 128).to(torch.uint8)):
        notebook.show(images, columns=3)
        (drawn,) = notebook.plt.gca().get_images()
        assert drawn.get_clim() == (0, 255)
        pixels = torch.as_tensor(drawn.get_array())
        assert pixels.shape[:2] == (2 * 6 - 2, 3 * 7 - 2)
        assert set(pixels.flatten().tolist()) == {0, 128}
        notebook.plt.close("all")


def test_a_notebook_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "gan_lightning.notebook")
    with pytest.raises(ModuleNotFoundError, match=r"matplotlib: pip install 'gan-lightning\[notebook\]'"):
        importlib.import_module("gan_lightning.notebook")
