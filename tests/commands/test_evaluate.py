"""Every metric of a checkpoint, with its protocol and scale; what cannot be judged is refused by name."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datamodules import ImageDataModule
from datamodules.base import Split
from gan_lightning.commands import evaluate as module
from gan_lightning.commands.dispatch import _with_lists
from gan_lightning.commands.evaluate import evaluate
from gan_lightning.commands.fakes import read_fakes
from gan_lightning.commands.generate import generate
from gan_lightning.images import write_pixels
from gan_lightning.metrics import FeatureExtractor, KernelDistance, scores
from gan_lightning.metrics.image_set import ImageSet
from gan_lightning.metrics.scores import Judge
from gan_lightning.metrics.subsets import in_shares

NUMBERS = {"test": 1_100, "train": 2_400, "val": 100}


class Many(ImageDataModule):
    """Enough images of four classes, whose brightness differs."""

    name = "many"
    version = "1"

    def __init__(self, numbers: dict[str, int] = NUMBERS, version: str = "1") -> None:
        super().__init__((1, 8, 8), 4, batch_size=8)
        self.numbers = numbers
        self.version = version

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        count = self.numbers[split]
        labels = torch.arange(count) % 4
        random = torch.Generator().manual_seed(len(split))
        noise = torch.randint(0, 64, (count, 1, 8, 8), generator=random)
        return (noise + 48 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels


class NotNumbers(FeatureExtractor):
    """Features that are not finite."""

    num_features = 2
    fid_name = "fid_nan"
    preprocessing = "none"

    def build(self) -> torch.nn.Module:
        return torch.nn.Identity()

    def prepare(self, pixels: Tensor) -> Tensor:
        return torch.full((len(pixels), 2), torch.nan)


@pytest.fixture(autouse=True)
def _quick_and_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "KernelDistance", functools.partial(KernelDistance, subsets=2))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def checkpoint(tiny_gan: Any, trainer: Any) -> Callable[..., str]:
    """Saves a small GAN that was trained on such data."""

    def save(name: str, data: Many | None = None) -> str:
        fit = trainer(max_steps=1)
        fit.fit(tiny_gan(name), data or Many())
        path = f"{name}-{data.version if data else 1}/checkpoints/last.ckpt"
        fit.save_checkpoint(path)
        return path

    return save


def judged(**options: Any) -> dict[str, Any]:
    evaluate(**{"data": Many(), "num": 1_000, "out": "out/e.json", "device": "cpu", **options})
    found: dict[str, Any] = json.loads(Path("out/e.json").read_text())
    return found


def test_values_protocol_and_scale_of_a_conditional_gan(
    checkpoint: Any, mean_features: FeatureExtractor, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint("CGAN")
    found = judged(ckpt_path=path, features=mean_features)
    (subject,), (real, noise) = found["subjects"], found["scale"]
    metrics = {"fid_mean", "kid_mean", "precision", "recall", "coverage", "diversity", "mifid", "intra_fid"}
    assert metrics | {"downstream_accuracy"} <= subject["values"].keys() == real["values"].keys()
    assert real["values"]["fid_mean"] < noise["values"]["fid_mean"]
    assert real["values"]["downstream_accuracy"] > 0.9 > noise["values"]["downstream_accuracy"]
    assert subject["facts"]["gan"] == "CGAN" and subject["facts"]["updates"] == 1 and subject["facts"]["ema"]
    assert subject["facts"]["trained_on"] == found["protocol"]["data"] == Many().fingerprint
    assert found["protocol"]["real_images"] == 1_100 and found["protocol"]["training_images"] == 1_000
    assert found["protocol"]["extractor_fingerprint"] == mean_features.fingerprint
    table = capsys.readouterr().out
    assert "1,000 fakes against 1,100 test images" in table and "| fid_mean" in table and "CGAN-1/last" in table


def test_an_evaluation_is_repeatable_and_its_second_run_looks_at_no_real_image(
    checkpoint: Any, mean_features: FeatureExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint("GAN")
    first = judged(ckpt_path=path, features=mean_features)
    seen: list[int] = []
    prepare = type(mean_features).prepare
    monkeypatch.setattr(
        type(mean_features), "prepare", lambda self, pixels: seen.append(len(pixels)) or prepare(self, pixels)
    )
    assert judged(ckpt_path=path, features=mean_features) == first
    assert sum(seen) == 2_000  # fakes and noise


def test_images_of_a_folder_or_a_file_score_as_the_checkpoint_that_made_them(
    checkpoint: Any, mean_features: FeatureExtractor
) -> None:
    path = checkpoint("CGAN")
    values = judged(ckpt_path=path, features=mean_features)["subjects"][0]["values"]
    labels = ",".join(map(str, in_shares([1, 1, 1, 1], torch.arange(1_000)).tolist()))
    for out in ("made", "made.npz"):
        generate(path, num=1_000, out=out, labels=labels, batch_size=250, device="cpu")
        (subject,) = judged(fakes=out, features=mean_features)["subjects"]
        assert subject["values"] == pytest.approx(values, rel=1e-4)


def test_a_conditional_gan_draws_classes_as_often_as_the_training_images_have_them(
    checkpoint: Any, mean_features: FeatureExtractor
) -> None:
    class Rare(Many):
        @property
        def class_counts(self) -> Any:  # in a form of its own
            return torch.tensor(super().class_counts)

        def read(self, split: Split) -> tuple[Tensor, Tensor]:
            pixels, labels = super().read(split)
            return pixels, torch.where(torch.arange(len(labels)) % 10 == 0, 3, labels % 2)

    path, seen = checkpoint("CGAN"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "scores", lambda self, fakes: (seen.append(fakes), ({}, {}))[1])
        result = judged(ckpt_path=path, features=mean_features, data=Rare())
    shares = torch.tensor(result["protocol"]["class_counts"]) / NUMBERS["train"]
    assert shares.tolist() == pytest.approx([0.4, 0.5, 0, 0.1], abs=0.01)
    drawn = seen[0].labels.bincount(minlength=4) / len(seen[0])
    assert drawn.tolist() == pytest.approx(shares.tolist(), abs=0.005)


def test_intervals_are_of_sampling_by_random_numbers_of_their_own(
    checkpoint: Any, mean_features: FeatureExtractor
) -> None:
    path = checkpoint("GAN")
    (one,), (other,) = (judged(ckpt_path=path, features=mean_features, bootstrap=20)["subjects"] for _ in range(2))
    assert one["deviations"] == other["deviations"]
    assert set(one["deviations"]) == {"fid_mean", "precision", "recall", "density", "coverage"}
    share = one["values"]["coverage"]
    assert one["deviations"]["coverage"] == pytest.approx((share * (1 - share) / 1_000) ** 0.5, rel=0.5, abs=1e-3)


def test_too_few_images_are_refused_with_the_number_that_is_needed(
    checkpoint: Any, mean_features: FeatureExtractor, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint("GAN")
    (subject,) = judged(ckpt_path=path, features=mean_features, num=120)["subjects"]
    assert set(subject["values"]) == {"fid_mean", "diversity", "mifid", "memorization_distance"}
    assert subject["refused"]["recall"] == "needs 1,000 fakes, there are 120"
    assert "kid_mean, kid_std, precision, recall, density, coverage of GAN-1/last refused" in capsys.readouterr().out
    few = Many({"test": 9, "train": 16, "val": 4}, version="few")
    (subject,) = judged(ckpt_path=path, features=mean_features, data=few)["subjects"]
    assert subject["values"] == {}
    assert subject["refused"]["fid_mean"] == "needs 10 real images, there are 9"


def test_checkpoints_stand_side_by_side_unless_of_different_data(
    checkpoint: Any, mean_features: FeatureExtractor, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [checkpoint("GAN"), checkpoint("DCGAN")]
    found = judged(ckpt_path=paths[0], compare=paths[1:], features=mean_features)
    assert [subject["name"] for subject in found["subjects"]] == ["GAN-1/last", "DCGAN-1/last"]
    other = checkpoint("GAN", Many(version="2"))
    with pytest.raises(ValueError, match=r"trained on different data: DCGAN-1/last on many-.*, GAN-2/last on many-"):
        judged(compare=[*paths[1:], other], features=mean_features)
    capsys.readouterr()
    judged(ckpt_path=other, features=mean_features)
    assert "GAN-2/last was trained on many-" in capsys.readouterr().out


def test_lists_on_the_command_line_end_at_the_next_option() -> None:
    options = ["--compare", "a b", "c", "--num", "3", "--compare"]
    assert _with_lists(options) == ['--compare=["a b", "c"]', "--num", "3", "--compare=[]"]


def write_npz(**arrays: Any) -> str:
    np.savez("x.npz", **arrays)
    return "x.npz"


def folder_of_two_sizes() -> str:
    for name, size in (("a", 8), ("b", 9)):
        write_pixels(torch.zeros(1, size, size, dtype=torch.uint8), Path(f"two/{name}.png"))
    return "two"


def folder_with_a_damaged_picture() -> str:
    write_pixels(torch.zeros(1, 8, 8, dtype=torch.uint8), Path("broken/a.png"))
    whole = Path("broken/a.png").read_bytes()
    Path("broken/b.png").write_bytes(whole[:40])
    return "broken"


def empty_folder() -> str:
    Path("empty").mkdir()
    return "empty"


def text_file() -> str:
    Path("x.npz").write_text("no arrays")
    return "x.npz"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: "absent", "there is no 'absent'"),
        (empty_folder, "'empty' holds no picture"),
        (folder_of_two_sizes, r"'two/b.png' is 1 x 9 x 9, but 'two/a.png' is 1 x 8 x 8"),
        (folder_with_a_damaged_picture, "'broken/b.png' is damaged"),
        (text_file, "'x.npz' is damaged, or no npz"),
        (lambda: write_npz(images=np.zeros((4, 8, 8), np.uint8)), r"it holds images: uint8 \(4, 8, 8\)"),
        (lambda: write_npz(x=np.zeros((4, 8, 8, 1))), "it holds x: float64"),
        (lambda: write_npz(x=np.zeros((4, 8, 8, 1), np.uint8), labels=np.zeros(3, int)), "one for each of the 4"),
        (lambda: write_npz(x=np.zeros((4, 8, 8, 3), np.uint8)), r"fakes are 3 x 8 x 8, the real images 1 x 8 x 8"),
        (lambda: write_npz(x=np.zeros((4, 1, 9, 9), np.uint8)), r"fakes are 1 x 9 x 9, the real images 1 x 8 x 8"),
    ],
)
def test_images_that_cannot_be_judged_are_refused(
    make: Callable[[], str], message: str, mean_features: FeatureExtractor
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        judged(fakes=make(), features=mean_features)
    assert not Path("out").exists()


def test_what_cannot_be_judged_is_refused(checkpoint: Any, mean_features: FeatureExtractor) -> None:
    path = checkpoint("GAN")
    with pytest.raises(ValueError, match="evaluate needs --ckpt_path, --compare or --fakes"):
        judged(features=mean_features)
    with pytest.raises(ValueError, match=r"'dcgan-mnist' makes images of \(1, 28, 28\), but those of Many are"):
        judged(ckpt_path="dcgan-mnist", features=mean_features)
    with pytest.raises(ValueError, match="NotNumbers gives features that are not finite for 1100 of 1100"):
        judged(ckpt_path=path, features=NotNumbers())
    with pytest.raises(ValueError, match="PatchFeatures judges images of at least 16x16 pixels, got 8x8"):
        judged(ckpt_path=path)


def test_fakes_that_are_not_finite_are_refused(
    checkpoint: Any, mean_features: FeatureExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint("GAN")
    gan = module.gan_lightning.load(path)
    monkeypatch.setattr(gan, "sample_from", lambda latents, *_: torch.full((len(latents), 1, 8, 8), torch.nan))
    monkeypatch.setattr(module.gan_lightning, "load", lambda _: gan)
    with pytest.raises(ValueError, match=r"GAN-1/.*' makes images that are not finite, 250 of 250"):
        judged(ckpt_path=path, features=mean_features)


@pytest.mark.parametrize("damage", [b"", b"no tensors"])
def test_a_damaged_cache_is_ignored_with_a_warning(
    checkpoint: Any, mean_features: FeatureExtractor, damage: bytes
) -> None:
    path = checkpoint("GAN")
    first = judged(ckpt_path=path, features=mean_features)
    for file in Path("runs/cache").iterdir():
        file.write_bytes(damage)
    with pytest.warns(UserWarning, match="Ignored the cache"):
        assert judged(ckpt_path=path, features=mean_features) == first


def test_a_grid_of_pictures_is_read_in_the_order_of_names_with_their_classes() -> None:
    for number in range(3):
        write_pixels(torch.full((3, 4, 5), number, dtype=torch.uint8), Path(f"rgb/{number}_label{2 - number}.png"))
    ((pixels, labels),) = read_fakes(Path("rgb"), num=2)
    assert pixels.shape == (2, 3, 4, 5)
    assert pixels.flatten(1)[:, 0].tolist() == [0, 2]
    assert labels.tolist() == [2, 0]


@pytest.mark.parametrize("form", ["folder", "npz"])
@pytest.mark.parametrize("order", ["class by class", "in turn"])
def test_of_many_fakes_all_classes_are_judged(form: str, order: str) -> None:
    labels = torch.arange(4).repeat_interleave(50) if order == "class by class" else torch.arange(4).repeat(50)
    if form == "npz":
        np.savez("many.npz", images=labels.byte().view(-1, 1, 1, 1).expand(-1, 2, 2, 3).numpy(), labels=labels.numpy())
    else:
        for number, label in enumerate(labels.tolist()):
            write_pixels(torch.full((3, 2, 2), label, dtype=torch.uint8), Path(f"many/{number:03}_label{label}.png"))
    batches = read_fakes(Path("many.npz" if form == "npz" else "many"), num=40)
    pixels, classes = map(torch.cat, zip(*batches, strict=True))
    assert classes.tolist() == pixels.flatten(1)[:, 0].tolist()
    assert all(9 <= count <= 11 for count in classes.bincount(minlength=4).tolist())


def test_real_images_against_themselves_score_best(mean_features: FeatureExtractor) -> None:
    real = ImageSet.of([Many().read("test")], mean_features)
    values, refused = Judge(mean_features, real, real, num_classes=4).scores(real)
    assert not refused
    assert values["fid_mean"].item() == pytest.approx(0, abs=1e-6)
    assert values["precision"] == values["recall"] == values["coverage"] == 1
    assert values["memorization_distance"].item() == pytest.approx(0, abs=1e-6)
