"""``gan-lightning translate``, after ``fit`` on folders: pictures in, pictures out, and what is refused."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gan_lightning
from datamodules import MNISTSampleDataModule, PairedImageDataModule, UnpairedImageDataModule
from gan_lightning.commands.dispatch import run
from gan_lightning.commands.evaluate import evaluate
from gan_lightning.commands.export import export
from gan_lightning.commands.translate import translate
from gan_lightning.hub import HubGenerator
from gan_lightning.images import to_float, to_uint8
from gan_lightning.metrics import FeatureExtractor, FrechetDistance

SIDE = 24


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of pictures, and the present one."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name in ("sources", "targets"):
        (tmp_path / name).mkdir()
        for number in range(12):
            pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path


class Means(FeatureExtractor):
    """The mean of each channel."""

    num_features = 3
    recommended_samples = 3
    fid_name = "fid_means"
    preprocessing = "none"

    def build(self) -> torch.nn.Module:
        return torch.nn.Identity()

    def prepare(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.float().mean((2, 3))


def fit(gan: str, data: str) -> str:
    options = ["--data.sources=sources", "--data.targets=targets", f"--data.image_size={SIDE}", "--data.batch_size=2"]
    own = ["--model.width=2", "--trainer.max_steps=2", "--evaluation.num_samples=0"]
    run("fit", ["--config", f"data/{data}", "--config", f"model/{gan}", *options, *own, "--run_name=r"])
    return "runs/r/checkpoints/last.ckpt"


@pytest.mark.parametrize(("gan", "data"), [("pix2pix", "pairs"), ("cyclegan", "unpaired")])
def test_a_run_draws_grids_and_its_checkpoint_translates(gan: str, data: str, folders: Path) -> None:
    checkpoint = fit(gan, data)
    with Image.open(next((folders / "runs" / "r" / "samples").glob("*.png"))) as grid:
        assert grid.width == 12 * (SIDE + 2) - 2
    translate(checkpoint, "sources", "out")
    translate(checkpoint, "sources/3.png", "one")
    assert len(list((folders / "out").glob("*.png"))) == 12
    with pytest.raises(FileExistsError, match="The folder 'one' is not empty"):
        translate(checkpoint, "sources/4.png", "one")
    translate(checkpoint, "sources/4.png", "one", overwrite=True)
    assert len(list((folders / "one").iterdir())) == 2
    one, again = (np.asarray(Image.open(folders / where / "3.png")) for where in ("one", "out"))
    assert one.shape == (SIDE, SIDE, 3)
    assert np.abs(one.astype(int) - again).max() <= 1
    if gan == "cyclegan":
        translate(checkpoint, "targets", "back", to="source")
        assert len(list((folders / "back").glob("*.png"))) == 12
    else:
        with pytest.raises(ValueError, match="translates to targets alone"):
            translate(checkpoint, "targets", "back", to="source")


@pytest.mark.quick("cyclegan")
@pytest.mark.parametrize(("gan", "data"), [("pix2pix", "pairs"), ("cyclegan", "unpaired")])
def test_translations_of_a_checkpoint_are_judged_and_its_generator_exported(
    gan: str, data: str, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = fit(gan, data)
    module = gan_lightning.load(checkpoint)
    kind = {"pairs": PairedImageDataModule, "unpaired": UnpairedImageDataModule}[data]
    pairs = kind("sources", "targets", image_size=SIDE, val_fraction=0.3, test_fraction=0.5, batch_size=1)
    evaluate(pairs, checkpoint, out="judged.json", batch_size=2, features=Means())
    sources = pairs.dataset("test").sources
    judged = json.loads(Path("judged.json").read_text())
    distance = FrechetDistance(Means())
    distance.update(pairs.read("test")[0], real=True)
    distance.update(to_uint8(module.translate(sources[[*range(len(sources))]][0])), real=False)
    (own,) = judged["subjects"]
    assert own["count"] == len(sources)
    assert own["values"]["fid_means"] == pytest.approx(distance.compute().item(), rel=1e-3)
    if data == "pairs":
        targets = to_float(pairs.read("test")[0])
        difference = (to_float(to_uint8(module.translate(sources[[*range(len(sources))]][0]))) - targets).abs().mean()
        assert own["values"]["l1"] == pytest.approx(difference.item(), rel=1e-4)
        assert own["values"]["psnr"] > 0 and own["values"]["ssim"] < 0.5
    else:
        assert not {"l1", "psnr", "ssim"} & own["values"].keys()
    export(checkpoint, "g.onnx")
    assert "On 10 inputs" in capsys.readouterr().out
    session = pytest.importorskip("onnxruntime").InferenceSession("g.onnx")
    images = torch.rand(3, 3, SIDE, SIDE) * 2 - 1
    (translated,) = session.run(["images"], {"sources": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(translated), module.translate(images), rtol=0, atol=1e-4)
    export(checkpoint, "g.safetensors")
    again = gan_lightning.load("g.safetensors")
    torch.testing.assert_close(again.translate(images), module.translate(images), rtol=0, atol=0)
    shared = HubGenerator(module).save_pretrained("hub") or HubGenerator.from_pretrained("hub")
    torch.testing.assert_close(shared.gan.translate(images), module.translate(images), rtol=0, atol=0)
    card = Path("hub/README.md").read_text()
    assert "translates images (3, 24, 24)" in card and "gan.translate(images)" in card and "samples.png" not in card
    with pytest.raises(TypeError, match="judge it on PairedImageDataModule or UnpairedImageDataModule"):
        evaluate(MNISTSampleDataModule(), checkpoint)


def test_what_cannot_be_done_is_explained(folders: Path) -> None:
    with pytest.raises(TypeError, match="makes images from latents"):
        translate("dcgan-mnist", "sources", "out")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        translate("dcgan-mnist", "nowhere", "out")
    with pytest.raises(ValueError, match="the folder of the pictures"):
        translate("dcgan-mnist", "sources", "sources")
    (folders / "mine").mkdir()
    (folders / "mine" / "3.png").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"The folder 'mine' is not empty.*, or add --overwrite"):
        translate("no such checkpoint", "sources", "mine")
    with pytest.raises(FileExistsError, match="is a file"):
        translate("no such checkpoint", "sources", "mine/3.png")
    Image.open("sources/3.png").save("sources/3.jpg")
    with pytest.raises(ValueError, match="would overwrite each other"):
        translate("dcgan-mnist", "sources", "out")
    assert not (folders / "out").exists()


def test_generate_says_what_to_do_instead(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = fit("pix2pix", "pairs")
    with pytest.raises(SystemExit):
        run("generate", [f"--ckpt_path={checkpoint}", "--out=grid.png"])
    assert "gan-lightning translate" in capsys.readouterr().err
    assert not (folders / "grid.png").exists()


def test_a_command_leaves_sigterm_as_it_was(folders: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run("generate", ["--ckpt_path=dcgan-mnist", "--num=1", "--out=grid.png"])
    assert signal.getsignal(signal.SIGTERM) is before
