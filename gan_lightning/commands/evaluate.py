"""Every metric of a checkpoint, or of any images, with the protocol and the scale: ``gan-lightning evaluate``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch import LightningDataModule, seed_everything
from torch import Tensor

import gan_lightning
from gan_lightning.arguments import check_counts
from gan_lightning.base import AdversarialModule
from gan_lightning.commands.fakes import read_fakes
from gan_lightning.commands.generate import device_of, import_class
from gan_lightning.commands.real_images import RealImages
from gan_lightning.commands.result import Result, Scores
from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.images import to_uint8, write_bytes
from gan_lightning.metrics import FeatureExtractor, features_for
from gan_lightning.metrics.image_set import Batches, ImageSet, noise
from gan_lightning.metrics.paired import distances_to_targets
from gan_lightning.metrics.scores import Judge
from gan_lightning.metrics.subsets import class_shares, counts_of, in_shares, spread
from gan_lightning.translation import TranslationModule
from gan_lightning.version import __version__


class Subject(NamedTuple):
    """Something that is judged: its name, what is known of it, and its images."""

    name: str
    facts: dict[str, Any]
    batches: Batches


def evaluate(
    data: LightningDataModule,
    ckpt_path: str | None = None,
    compare: list[str] | None = None,
    fakes: str | None = None,
    num: int = 10_000,
    out: str | None = None,
    features: FeatureExtractor | None = None,
    split: Literal["test", "val"] = "test",
    bootstrap: int = 0,
    seed: int = 0,
    truncation: float | None = None,
    model: str | None = None,
    device: str = "auto",
    batch_size: int = 250,
    cache_dir: str = "runs/cache",
) -> None:
    """Judge a checkpoint, or images of any tool, by every metric, and print a table.

    A conditional GAN draws each class as often as the training images have it. Of one that translates images, each of
    the split's sources is translated once, and if these have targets, the distance to them is told, too.

    Args:
        data: The data set, such as MNISTDataModule; its options are --data.root and so on.
        ckpt_path: A checkpoint of a GAN, or the name of a generator that comes with the package.
        compare: More checkpoints, to stand beside it.
        fakes: A folder of pictures, or an npz of uint8 images, made by whatever tool.
        num: Fakes that are judged, at least 2.
        out: A JSON file for the values and all that they depend on; an existing file is replaced.
        features: Default: MNISTFeatures for digits, else PatchFeatures; InceptionFeatures are those of the usual FID.
        split: Real images to compare with: "test" or "val".
        bootstrap: Draws for intervals of 95 %, such as 100; 0 for none.
        seed: The fakes are a function of it.
        truncation: As of generate.
        model: As of generate.
        device: "auto", or what PyTorch calls it: cpu, cuda, cuda:1, mps.
        batch_size: Images made and looked at at a time, at least 1.
        cache_dir: Folder where the features of real images are kept from one call to the next.

    Raises:
        FileNotFoundError: If there is no checkpoint, or there are no images.
        TypeError: If data for a GAN that translates have no sources.
        ValueError: If images do not fit data or features, data of checkpoints differ, or a number is out of range.
    """
    check_counts(batch_size=batch_size)
    check_counts(least=0, bootstrap=bootstrap, seed=seed)
    check_counts(least=2, num=num)
    paths = [path for path in (ckpt_path, *(compare or [])) if path is not None]
    if not (paths or fakes):
        raise ValueError("evaluate needs --ckpt_path, --compare or --fakes: something to judge.")
    if model is not None:
        import_class(model)
    place = device_of(device)
    subjects = [_of_checkpoint(path, data, place, split, num, seed, batch_size, truncation) for path in paths]
    _check_same_data(subjects)
    if fakes is not None:
        subjects.append(Subject(fakes, {"fakes": fakes}, read_fakes(Path(fakes), num, batch_size)))
    seed_everything(seed, verbose=False)  # which training images are taken
    reals = RealImages(data, features or features_for(getattr(data, "image_shape", None)), place, seed, Path(cache_dir))
    _write(_judge(subjects, reals, split, num, bootstrap), out)


def _write(result: Result, out: str | None) -> None:
    print(result)
    if out is not None:
        write_bytes(result.to_json().encode(), Path(out))
        print(f"Wrote {out}.")


def _of_checkpoint(
    path: str,
    data: LightningDataModule,
    device: torch.device,
    split: str,
    num: int,
    seed: int,
    batch_size: int,
    truncation: float | None,
) -> Subject:
    """What is known of a checkpoint, and the images that ``generate`` makes of it."""
    gan = gan_lightning.load(path).to(device)
    shape: Any
    if isinstance(gan, TranslationModule):
        images, shape = _translations(gan, path, data, split, num, batch_size), gan.generator.image_shape
    else:
        images, shape = _samples(gan, data, num, seed, batch_size, truncation), tuple(gan.sample(1, seed=0).shape[1:])
    shape_of_data = getattr(data, "image_shape", None)
    if shape_of_data is not None and tuple(shape_of_data) != shape:
        raise ValueError(
            f"'{path}' makes images of {shape}, but those of {type(data).__name__} are {tuple(shape_of_data)} "
            "(channels, height, width). Judge it on the data that it was trained on."
        )
    order = read_checkpoint(path).get("order") if Path(path).suffix == ".ckpt" else None
    facts = {
        "checkpoint": path,
        "gan": type(gan).__name__,
        "updates": int(gan.updates),
        "ema": gan.ema is not None,
        "truncation": truncation,
        "trained_on": (order or {}).get("data"),
        "has_targets": isinstance(gan, TranslationModule) and getattr(data, "is_aligned", False),
    }
    return Subject(_short(path), facts, ((_to_pixels(some, path), labels) for some, labels in images))


def _samples(
    gan: AdversarialModule,
    data: LightningDataModule,
    num: int,
    seed: int,
    batch_size: int,
    truncation: float | None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images with their classes, which a conditional GAN draws as often as the data have them; -1 for none."""
    counts = class_shares(gan, data)
    classes = in_shares(counts, torch.arange(num)) if counts else None
    for images, labels in gan.stream(num, classes, seed, batch_size, truncation):
        yield images, labels if counts else labels - 1


def _translations(
    gan: TranslationModule, path: str, data: Any, split: str, num: int, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Translations of the sources of a split, or of some from all over it, with -1 for no class."""
    if not hasattr(data, "is_aligned"):
        raise TypeError(
            f"'{path}' holds {type(gan).__name__}, which translates images: judge it on PairedImageDataModule or "
            f"UnpairedImageDataModule, whose sources are translated; got {type(data).__name__}."
        )

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        sources = data.dataset(split).sources
        for some in spread(torch.arange(len(sources)), num).split(batch_size):
            yield gan.translate(sources[some.tolist()][0]), torch.full_like(some, -1)

    return batches()


def _to_pixels(images: Tensor, path: str) -> Tensor:
    broken = len(images) - int(images.isfinite().flatten(1).all(dim=1).sum())
    if broken:
        raise ValueError(f"'{path}' makes images that are not finite, {broken} of {len(images)}: its G has diverged.")
    return to_uint8(images)


def _short(path: str) -> str:
    """The run and the name of a checkpoint."""
    parts = Path(path).with_suffix("").parts
    return "/".join([*parts[-3:-2], parts[-1]]) if "checkpoints" in parts[-2:-1] else Path(path).stem


def _check_same_data(subjects: list[Subject]) -> None:
    known = {name: facts["trained_on"] for name, facts, _ in subjects if facts["trained_on"]}
    if len(set(known.values())) > 1:
        told = ", ".join(f"{name} on {data}" for name, data in known.items())
        raise ValueError(f"The checkpoints were trained on different data: {told}. Compare those of the same.")


def _judge(subjects: list[Subject], reals: RealImages, split: str, num: int, bootstrap: int) -> Result:
    """Judge all of them, and the scale beside them: training images as if they were fakes, and noise."""
    real, training = reals.held_out(split), reals.training(2 * num)
    known, unknown = training[: len(training) // 2], training[len(training) // 2 :]
    judge = Judge(reals.extractor, real, known, reals.num_classes)

    def scores(name: str, facts: dict[str, Any], fakes: ImageSet) -> Scores:
        values, refused = judge.scores(fakes)
        if facts.get("has_targets"):
            targets = real.pixels[spread(torch.arange(len(real)), num)]
            values |= distances_to_targets(fakes.pixels, targets)
        draws = bootstrap if facts else 0
        deviations = judge.deviations(fakes, values, draws, reals.seed) if draws else {}
        numbers = {name: float(value) for name, value in values.items()}
        return Scores(name, facts, len(fakes), numbers, refused, deviations)

    nothing = noise(tuple(real.pixels.shape[1:]), num, reals.num_classes, reals.seed)
    judged = [
        scores(subject.name, subject.facts, ImageSet.of(subject.batches, reals.extractor)) for subject in subjects
    ]
    scale = [scores("real images", {}, unknown), scores("noise", {}, ImageSet.of(nothing, reals.extractor))]
    protocol = {
        "version": __version__,
        "data": reals.name or "unnamed data",
        "class_counts": counts_of(reals.data),
        "split": split,
        "real_images": len(real),
        "training_images": len(known),
        "image_shape": list(real.pixels.shape[1:]),
        "extractor": type(reals.extractor).__name__,
        "extractor_fingerprint": reals.extractor.fingerprint,
        "preprocessing": reals.extractor.preprocessing,
        "seed": reals.seed,
        "bootstrap": bootstrap,
    }
    return Result(protocol, judged, scale)
