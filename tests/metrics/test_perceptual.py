"""LPIPS of pairs of fakes, with random weights in a file where the pretrained ones would be."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torchvision.models import squeezenet1_1

from gan_lightning.metrics import PerceptualDiversity

FILE = "squeezenet1_1-b8a52dc0.pth"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_alike_fakes_have_no_diversity_and_pairs_count_alike(hub: Path) -> None:
    torch.save(squeezenet1_1(weights=None).state_dict(), hub / FILE)
    state = torch.random.get_rng_state()
    metric = PerceptualDiversity("squeeze")
    assert torch.equal(torch.random.get_rng_state(), state)
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    metric.update(images[:1].expand(4, -1, -1, -1))
    assert metric.compute()["lpips_diversity"].item() == pytest.approx(0, abs=1e-6)
    metric.reset()
    metric.update(images)
    pairs = []
    for rows in (images[:2], images[1:]):
        alone = PerceptualDiversity("squeeze")
        alone.update(rows)
        pairs.append(alone.compute()["lpips_diversity"].item())
    assert min(pairs) > 0
    assert metric.compute()["lpips_diversity"].item() == pytest.approx(sum(pairs) / 2, rel=1e-5)


def test_absent_weights_are_named(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(FileNotFoundError, match=r"backbone 'squeeze' are not in .*checkpoints.*no network"):
        PerceptualDiversity("squeeze")
