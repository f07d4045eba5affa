"""Pairs of images and two domains: partners, halves, splits, mirrors, shuffling, resumption, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import PairedImageDataModule, UnpairedImageDataModule
from datamodules.pairs import PairDataset, TwoSampler
from datamodules.pixels import PixelDataset
from datamodules.sampler import CountedSampler

SIDE = 8


def picture(number: int, brightness: int) -> Image.Image:
    """A picture that tells its number, brighter on the left than on the right."""
    pixels = np.full((SIDE, SIDE, 3), brightness, np.uint8)
    pixels[:, :, 0] = number
    pixels[:, : SIDE // 2, 1] += 50
    return Image.fromarray(pixels)


def write(folder: Path, count: int, brightness: int) -> str:
    folder.mkdir(parents=True)
    for number in range(count):
        picture(number, brightness).save(folder / f"{number:03d}.png")
    return str(folder)


def write_halves(folder: Path, count: int) -> str:
    folder.mkdir(parents=True)
    for number in range(count):
        both = Image.new("RGB", (2 * SIDE, SIDE))
        both.paste(picture(number, 10), (0, 0))
        both.paste(picture(number, 110), (SIDE, 0))
        both.save(folder / f"{number:03d}.png")
    return str(folder)


Options = dict[str, Any]
SMALL: Options = {"image_size": SIDE, "batch_size": 4}


def two_folders(root: Path, **options: Any) -> PairedImageDataModule:
    return PairedImageDataModule(write(root / "a", 40, 10), write(root / "b", 40, 110), **{**SMALL, **options})


def halves(root: Path, **options: Any) -> PairedImageDataModule:
    return PairedImageDataModule(write_halves(root / "ab", 40), **{**SMALL, **options})


@pytest.mark.parametrize("layout", [two_folders, halves])
def test_sources_and_targets_stay_together(layout: Callable[..., PairedImageDataModule], tmp_path: Path) -> None:
    data = layout(tmp_path, flip=True)
    data.prepare_data()
    data.setup()
    batches = list(data.train_dataloader())
    for targets, sources in batches:
        assert targets.shape == sources.shape == (4, 3, SIDE, SIDE)
        assert -1 <= sources.min() <= targets.max() <= 1
        torch.testing.assert_close(targets[:, 0], sources[:, 0])  # the number
        torch.testing.assert_close(targets[:, 2] - sources[:, 2], torch.full((4, SIDE, SIDE), 100 / 127.5))
        torch.testing.assert_close(targets[:, 1] - sources[:, 1], torch.full((4, SIDE, SIDE), 100 / 127.5))
    mirrored = torch.cat([sources[:, 1, 0, 0] < sources[:, 1, 0, -1] for _, sources in batches])
    assert 0 < mirrored.float().mean() < 1


def test_the_other_half_can_be_the_source(tmp_path: Path) -> None:
    data = halves(tmp_path, source_half="right")
    targets, sources = data.dataset("train")[[0]]
    assert sources[0, 2, 0, 0] == 110
    assert targets[0, 2, 0, 0] == 10


def test_a_pair_is_of_one_split_and_adding_pairs_moves_none(tmp_path: Path) -> None:
    def numbers(data: PairedImageDataModule) -> dict[str, set[int]]:
        splits = ("train", "val", "test")
        return {split: set(data.dataset(split).pixels[:, 0, 0, 0].tolist()) for split in splits}  # type: ignore[arg-type]

    few, many = (
        numbers(PairedImageDataModule(write(root / "a", count, 10), write(root / "b", count, 110), **SMALL))
        for root, count in ((tmp_path / "few", 30), (tmp_path / "many", 60))
    )
    assert sum(map(len, few.values())) == 30
    assert all(few[split] <= many[split] for split in few)


def test_the_fingerprint_names_both_sides(tmp_path: Path) -> None:
    one = two_folders(tmp_path / "one").fingerprint
    other = PairedImageDataModule(str(tmp_path / "one" / "a"), write(tmp_path / "c", 40, 120), **SMALL).fingerprint
    assert one != other
    assert halves(tmp_path / "h").fingerprint != halves(tmp_path / "i", source_half="right").fingerprint


def test_domains_of_different_sizes_are_shuffled_by_themselves(tmp_path: Path) -> None:
    options = {**SMALL, "val_fraction": 0.0, "test_fraction": 0.0}
    data = UnpairedImageDataModule(write(tmp_path / "a", 8, 10), write(tmp_path / "b", 20, 110), **options)
    data.setup("fit")
    loader = data.train_dataloader()
    assert len(loader) == 5
    targets, sources = (torch.cat(images) for images in zip(*loader, strict=True))
    shown = [((images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist() for images in (targets, sources)]
    assert sorted(shown[0]) == list(range(20))
    assert sorted(shown[1][:8]) == sorted(shown[1][8:16]) == list(range(8))
    assert shown[0][:4] != shown[1][:4]


def test_the_batches_after_a_resumption_are_those_that_would_have_come() -> None:
    def sampler(start: int) -> TwoSampler:
        both = (CountedSampler(n, 2, seed=seed, start=lambda: start, flip=True) for n, seed in ((10, 0), (6, 1)))
        return TwoSampler(*both)

    assert [*sampler(0), *sampler(5)][3:8] == list(sampler(3))


def test_a_smaller_set_comes_again_in_turn_when_it_is_judged() -> None:
    targets, sources = (
        PixelDataset(torch.arange(n).byte().view(n, 1, 1, 1).repeat(1, 1, 1, 2), torch.zeros(n).long()) for n in (5, 2)
    )
    dataset = PairDataset(targets, sources)
    assert dataset[[0, 1, 2, 3, 9]][1][:, 0, 0, 0].tolist() == [0, 1, 0, 1, 0]
    assert len(dataset) == 5


def test_partners_that_are_missing_are_named(tmp_path: Path) -> None:
    sources, targets = write(tmp_path / "a", 20, 10), write(tmp_path / "b", 20, 110)
    (tmp_path / "b" / "007.png").unlink()
    with pytest.raises(ValueError, match=r"20 sources and 19 targets are no pairs: 1 have no partner.*007\.png"):
        PairedImageDataModule(sources, targets, **SMALL)


@pytest.mark.parametrize("size", [(2 * SIDE, SIDE), (SIDE, 3 * SIDE)])
@pytest.mark.parametrize("folder", ["a", "b"])
def test_a_pair_of_different_proportions_is_named(size: tuple[int, int], folder: str, tmp_path: Path) -> None:
    data = two_folders(tmp_path)
    Image.new("RGB", size).save(tmp_path / folder / "007.png")
    data = PairedImageDataModule(str(tmp_path / "a"), str(tmp_path / "b"), **SMALL)
    sizes = [f"{SIDE} x {SIDE}", f"{size[0]} x {size[1]}"]
    ours, theirs = reversed(sizes) if folder == "b" else sizes
    with pytest.raises(
        ValueError, match=rf"b/007\.png .* {ours} pixels, .*a/007\.png is one of {theirs}: .*Cut or pad"
    ):
        data.prepare_data()


def test_pairs_are_checked_where_each_side_was_decoded_before(tmp_path: Path) -> None:
    Image.new("RGB", (2 * SIDE, SIDE)).save(Path(write(tmp_path / "a", 20, 10)) / "007.png")
    sides = str(tmp_path / "a"), write(tmp_path / "b", 20, 110)
    UnpairedImageDataModule(*sides, **SMALL).prepare_data()
    with pytest.raises(ValueError, match="differ in proportions"):
        PairedImageDataModule(*sides, **SMALL).prepare_data()


def test_pairs_of_the_same_proportions_may_differ_in_size_and_be_turned(tmp_path: Path) -> None:
    write(tmp_path / "a", 20, 10), write(tmp_path / "b", 20, 110)
    Image.new("RGB", (64, 43)).save(tmp_path / "a" / "007.png")
    lying = Image.new("RGB", (85, 128))
    lying.getexif()[0x0112] = 6
    lying.save(tmp_path / "b" / "007.png", exif=lying.getexif())
    PairedImageDataModule(str(tmp_path / "a"), str(tmp_path / "b"), **SMALL).prepare_data()


@pytest.mark.parametrize("folder", ["a", "b"])
@pytest.mark.parametrize("is_empty", [True, False])
def test_pairs_that_cannot_be_used_are_skipped_together(folder: str, is_empty: bool, tmp_path: Path) -> None:
    data = two_folders(tmp_path)
    path = tmp_path / folder / "007.png"
    if is_empty:
        path.write_bytes(b"")
    else:  # the header is whole
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:-60])
    Image.new("RGB", (2 * SIDE, SIDE)).save(tmp_path / "a" / "009.png")
    places = str(tmp_path / "a"), str(tmp_path / "b")
    with pytest.raises(ValueError, match=r"--data\.on_error skip"):
        PairedImageDataModule(*places, **SMALL).prepare_data()
    data = PairedImageDataModule(*places, **SMALL, on_error="skip")
    with pytest.warns(UserWarning, match="Skipped 2 of 40 images"):
        data.prepare_data()
    found = []
    for split in ("train", "val", "test"):
        pairs = data.dataset(split)  # type: ignore[arg-type]
        targets, sources = pairs[[*range(len(pairs))]]
        assert torch.equal(targets[:, 0], sources[:, 0])  # the number
        found += targets[:, 0, 0, 0].tolist()
    assert sorted(found) == [number for number in range(40) if number not in (7, 9)]


def test_damaged_images_of_a_domain_can_be_skipped(tmp_path: Path) -> None:
    sides = write(tmp_path / "a", 20, 10), write(tmp_path / "b", 20, 110)
    (tmp_path / "b" / "003.png").write_bytes(b"nothing")
    data = UnpairedImageDataModule(*sides, **SMALL, on_error="skip")
    with pytest.warns(UserWarning, match="Skipped 1 of 20 images"):
        data.prepare_data()


def test_an_image_too_narrow_for_halves_is_named(tmp_path: Path) -> None:
    write_halves(tmp_path / "ab", 20)
    Image.new("RGB", (1, SIDE)).save(tmp_path / "ab" / "007.png")
    with pytest.raises(ValueError, match=rf"007\.png .* 1 x {SIDE} pixels, but must be 2 wide"):
        PairedImageDataModule(str(tmp_path / "ab"), **SMALL).prepare_data()
    Image.new("RGB", (2 * SIDE + 1, SIDE)).save(tmp_path / "ab" / "007.png")
    PairedImageDataModule(str(tmp_path / "ab"), **SMALL).prepare_data()


def test_a_check_looks_at_both_sides(tmp_path: Path) -> None:
    data = two_folders(tmp_path)
    (tmp_path / "b" / "003.png").write_bytes(b"nothing")
    assert not (report := data.check(deep=True)).ok
    assert "003.png" in str(report)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source_half": "top"}, "source_half is 'top'"),
        ({"channels": 2}, "channels is 2"),
        ({"val_fraction": 1.5}, "val_fraction"),
    ],
)
def test_what_is_wrong_is_named(options: Options, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        halves(tmp_path, **options)


def test_too_few_images_of_a_domain(tmp_path: Path) -> None:
    options = {**SMALL, "val_fraction": 0.0, "test_fraction": 0.0}
    data = UnpairedImageDataModule(write(tmp_path / "a", 3, 10), write(tmp_path / "b", 20, 110), **options)
    data.setup("fit")
    with pytest.raises(ValueError, match="3 sources and 20 targets"):
        data.train_dataloader()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        PairedImageDataModule(str(tmp_path / "nowhere"), **SMALL)
