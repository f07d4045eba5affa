"""DiffAugment: each change against loops over pixels, what 0 turns off, derivatives, and the ranges of the numbers."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_lightning.engine.draws import SharedDraws
from gan_lightning.game import Move
from gan_lightning.stabilizers import R1, DiffAugment
from gan_lightning.stabilizers.diff_augment import cut_out, translated

Build = Callable[..., Any]
Image = list[list[list[float]]]
OFF: dict[str, float] = {"brightness": 0.0, "saturation": 0.0, "contrast": 0.0, "translation": 0.0, "cutout": 0.0}
CHANGES = {"brightness": 0.5, "saturation": 1.0, "contrast": 0.5, "translation": 0.25, "cutout": 0.5}
shapes = pytest.mark.parametrize("shape", [(3, 6, 9), (1, 8, 5), (3, 8, 8)], ids=str)


def changed(image: Tensor, numbers: Sequence[float], part: DiffAugment) -> Image:
    """The authors' five functions on one image (C, H, W), pixel by pixel, with their numbers from U(0, 1)."""
    channels, height, width = image.shape
    places = [(c, y, x) for c in range(channels) for y in range(height) for x in range(width)]
    x: dict[tuple[int, int, int], Any] = {place: image[place] for place in places}
    for place in places:
        x[place] = x[place] + part.brightness * (2 * numbers[0] - 1)
    grey = {(r, s): sum(x[c, r, s] for c in range(channels)) / channels for _, r, s in places}
    for c, r, s in places:
        x[c, r, s] = (x[c, r, s] - grey[r, s]) * (1 + part.saturation * (2 * numbers[1] - 1)) + grey[r, s]
    mean = sum(x.values()) / len(places)
    for place in places:
        x[place] = (x[place] - mean) * (1 + part.contrast * (2 * numbers[2] - 1)) + mean
    reach = [int(size * part.translation + 0.5) for size in (height, width)]
    down, right = (math.floor(u * (2 * r + 1)) - r for u, r in zip(numbers[3:5], reach, strict=True))
    x = {(c, r, s): x.get((c, r + down, s + right), image.new_zeros(())) for c, r, s in places}
    sides = [int(size * part.cutout + 0.5) for size in (height, width)]
    hole = []
    for size, side, u in zip((height, width), sides, numbers[5:7], strict=True):
        offset = math.floor(u * (size + 1 - side % 2))
        hole.append({min(max(k + offset - side // 2, 0), size - 1) for k in range(side)})
    for c, r, s in places:
        if r in hole[0] and s in hole[1]:
            x[c, r, s] = image.new_zeros(())
    return [[[x[c, r, s] for s in range(width)] for r in range(height)] for c in range(channels)]


def stacked(image: Image) -> Tensor:
    return torch.stack([torch.stack([torch.stack(row) for row in plane]) for plane in image])


def numbers_of(count: int) -> list[list[float]]:
    """What fresh draws give for each image."""
    return SharedDraws().uniform(count, 7).double().tolist()


@shapes
@pytest.mark.parametrize("change", [*CHANGES, "all"])
def test_each_change_and_all_together_are_those_of_loops_over_pixels(
    change: str, shape: tuple[int, ...], draw: Build
) -> None:
    part = DiffAugment(**(CHANGES if change == "all" else {**OFF, change: CHANGES[change]}))
    images = draw(5, *shape)
    seen = part.view(images, SharedDraws())
    expected = [stacked(changed(*pair, part)) for pair in zip(images, numbers_of(5), strict=True)]
    torch.testing.assert_close(seen, torch.stack(expected), rtol=1e-12, atol=1e-14)
    is_changed = (seen - images).abs().flatten(1).amax(1) > 1e-3
    assert is_changed.any() or (change == "saturation" and shape[0] == 1)  # grey has none


@shapes
def test_zeros_turn_all_off(shape: tuple[int, ...], draw: Build) -> None:
    images = draw(5, *shape)
    torch.testing.assert_close(DiffAugment(**OFF).view(images, SharedDraws()), images, rtol=0, atol=1e-15)


def test_gradients_pass(draw: Build) -> None:
    images = draw(3, 3, 4, 5).requires_grad_()
    part = DiffAugment(**CHANGES)
    assert torch.autograd.gradcheck(lambda x: part.view(x, SharedDraws()), images)
    assert torch.autograd.gradgradcheck(lambda x: part.view(x, SharedDraws()).pow(3), images)


def test_r1_through_it_is_that_of_explicit_jacobians_and_has_a_gradient_for_d(make_move: Build, draw: Build) -> None:
    part, images = DiffAugment(**CHANGES), draw(3, 3, 4, 5)
    weight = draw(60, seed=1).requires_grad_()

    def critic(images: Tensor, labels: Tensor) -> Tensor:
        return part.view(images, SharedDraws()).flatten(1) @ weight

    value = R1(2.0).discriminator_terms(make_move(critic, images, images))["r1"]
    value.backward()
    norm, gradient = torch.zeros((), dtype=torch.float64), torch.zeros_like(weight)
    for image, numbers in zip(images, numbers_of(3), strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x, n=numbers: stacked(changed(x, n, part)), image)
        matrix = jacobian.reshape(60, 60)  # of what D sees, with respect to the image
        norm += (matrix.T @ weight.detach()).square().sum()
        gradient += 2 * matrix @ matrix.T @ weight.detach()
    torch.testing.assert_close(value, norm / 3, rtol=1e-12, atol=0)
    torch.testing.assert_close(weight.grad, gradient / 3, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("part", "reach"), [(0.125, (1, 2)), (0.25, (2, 4)), (0.5, (4, 8)), (1.0, (8, 16))])
def test_shifts_are_all_whole_pixels_up_to_the_largest_equally_often(part: float, reach: tuple[int, int]) -> None:
    sizes = [2 * r + 1 for r in reach]
    grid = [((y + 0.5) / sizes[0], (x + 0.5) / sizes[1]) for y in range(sizes[0]) for x in range(sizes[1])]
    places = torch.tensor(grid, dtype=torch.float64)
    image = torch.arange(1.0, 8 * 16 + 1, dtype=torch.float64).view(1, 1, 8, 16)
    shifted = translated(image.expand(len(places), -1, -1, -1), places, part)
    down = [y for y in range(reach[0], -reach[0] - 1, -1) for _ in range(sizes[1])]
    right = list(range(reach[1], -reach[1] - 1, -1)) * sizes[0]
    for seen, dy, dx in zip(shifted, down, right, strict=True):
        expected = torch.zeros(8, 16, dtype=torch.float64)
        for y in range(max(dy, 0), min(8 + dy, 8)):
            for x in range(max(dx, 0), min(16 + dx, 16)):
                expected[y, x] = image[0, 0, y - dy, x - dx]
        assert torch.equal(seen[0], expected)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("part", [0.125, 0.34, 0.5, 0.75, 1.0])
def test_holes_have_the_size_told_and_centres_anywhere_in_the_image_equally_often(size: int, part: float) -> None:
    side = int(size * part + 0.5)
    centres = size + 1 - side % 2  # of a side that is even, centres lie between pixels
    steps = (torch.arange(100 * centres, dtype=torch.float64) + 0.5) / (100 * centres)
    image = torch.ones(len(steps), 1, size, size, dtype=torch.float64)
    cut = cut_out(image, torch.stack([steps, torch.full_like(steps, 0.5)], 1), part)
    first = centres // 2 - side // 2
    is_beside = torch.tensor([not first <= column < first + side for column in range(size)])
    assert (cut[..., is_beside] == 1).all()
    holes = Counter("".join(str(int(x)) for x in column) for column in cut[:, 0, :, size // 2])
    expected = Counter()
    for centre in range(centres):
        rows = range(centre - side // 2, centre - side // 2 + side)
        expected["".join("0" if row in rows else "1" for row in range(size))] += 100
    assert holes == expected


def test_view_takes_shifts_and_holes_from_their_whole_range() -> None:
    count = 4000
    image = torch.zeros(count, 1, 9, 9, dtype=torch.float64)
    image[:, :, 4, 4] = 1
    shifted = DiffAugment(**{**OFF, "translation": 0.2}).view(image, SharedDraws())
    found = Counter(divmod(k, 9) for k in shifted.flatten(1).argmax(1).tolist())
    assert found.keys() == {(y, x) for y in range(2, 7) for x in range(2, 7)}
    assert sum((n - count / 25) ** 2 / (count / 25) for n in found.values()) < 54  # chi square, 24 degrees: p = 4e-4
    cut = DiffAugment(**{**OFF, "cutout": 0.34}).view(torch.ones_like(image), SharedDraws()) == 0
    centres = Counter(tuple(hole[0].nonzero().double().mean(0).tolist()) for hole in cut)
    assert len(centres) == 81  # holes of 3 pixels, or 2 at the border
    assert sum((n - count / 81) ** 2 / (count / 81) for n in centres.values()) < 130  # 80 degrees: p = 4e-4
    assert {int(hole.sum()) for hole in cut} == {4, 6, 9}


def test_color_numbers_are_uniform_over_their_ranges() -> None:
    images = torch.tensor([0.3, -0.1, 0.4], dtype=torch.float64).view(1, 3, 1, 1).expand(4000, 3, 1, 1)
    seen = {
        name: DiffAugment(**{**OFF, name: CHANGES[name]}).view(images, SharedDraws())[:, 0, 0, 0] for name in CHANGES
    }
    added, *factors = seen["brightness"] - 0.3, (seen["saturation"] - 0.2) / 0.1, (seen["contrast"] - 0.2) / 0.1
    for values, low, high in ((added, -0.5, 0.5), (factors[0], 0.0, 2.0), (factors[1], 0.5, 1.5)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high >= values.max() > high - 0.01 * (high - low)
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.02 * (high - low))
        assert values.std().item() == pytest.approx((high - low) / 12**0.5, rel=0.04)


def test_each_image_is_changed_by_numbers_of_its_own_also_reals_and_fakes(smooth_gan: Build, draw: Build) -> None:
    gan = smooth_gan(stabilizers=[DiffAugment()])
    image = draw(1, 1, 8, 8).expand(4, -1, -1, -1)
    labels = torch.zeros(4, dtype=torch.int64)
    move = Move("d", gan.discriminator, 0, 0, image, image, labels, draw(4, 3), gan.judge, gan.generate, gan.draws)
    logits = torch.cat([move.on_real.logits, move.on_fake.logits])
    assert logits.unique().numel() == 8
    assert gan.discriminator(image).logits.unique().numel() == 1


@pytest.mark.parametrize(("world_size", "parts"), [(2, 1), (1, 2), (2, 2)])
def test_changes_do_not_depend_on_how_the_batch_is_shared(world_size: int, parts: int, draw: Build) -> None:
    images, augment = draw(8, 3, 4, 5), DiffAugment()
    whole = augment.view(images, SharedDraws())
    size = 8 // world_size // parts
    for rank in range(world_size):
        for part in range(parts):
            draws = SharedDraws()
            draws.begin(rank=rank, world_size=world_size, part=part, parts=parts)
            own = slice(part * size, (part + 1) * size)
            assert torch.equal(augment.view(images[rank::world_size][own], draws), whole[rank::world_size][own])


def test_defaults_are_the_papers() -> None:
    assert vars(DiffAugment()).items() >= {**CHANGES, "translation": 0.125}.items()


@pytest.mark.parametrize("name", OFF)
def test_illegal_numbers_are_errors_that_name_them(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .* got -1"):
        DiffAugment(**{name: -1})
    if name in ("translation", "cutout"):
        with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\], got 1\.5"):
            DiffAugment(**{name: 1.5})
