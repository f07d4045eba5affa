"""ADA: when p rises and falls, and each map of pixels and colours against loops and the paper's matrices."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_lightning.engine.draws import SharedDraws
from gan_lightning.game import Update, Verdict
from gan_lightning.stabilizers import ADA, R1
from gan_lightning.stabilizers.ada import color_map, pixel_map, recolored, warped

Build = Callable[..., Any]
SQUARE = torch.Size((6, 6))
OBLONG = torch.Size((5, 8))


def updates(part: ADA, signs: Iterable[float], images: int = 8, mean: Any = lambda x: x) -> list[float]:
    """p after each of D's updates, in which the signs of the logits of reals have these means."""
    probs = []
    for sign in signs:
        positive = round((1 + sign) / 2 * 8)
        logits = torch.tensor([3.0] * positive + [-0.2] * (8 - positive))
        part.after(Update("d", nn.Identity(), images, logits, -logits, mean))
        probs.append(part.prob.item())
    return probs


def test_p_rises_by_the_images_of_an_interval_over_those_in_which_it_may_rise_to_1_while_d_is_sure() -> None:
    part = ADA(interval=3, images=100).double()
    expected = [min((k // 3) * 3 * 8 / 100, 1.0) for k in range(1, 19)]
    assert updates(part, [1.0] * 18) == pytest.approx(expected, abs=1e-12)
    assert expected[-1] == 1.0


def test_p_falls_as_fast_while_d_is_unsure_and_not_below_0() -> None:
    part = ADA(interval=2, images=100, initial_prob=0.5).double()
    expected = [max(0.5 - (k // 2) * 2 * 8 / 100, 0.0) for k in range(1, 13)]
    assert updates(part, [-1.0] * 12) == pytest.approx(expected, abs=1e-12)
    assert expected[-1] == 0.0


def test_p_follows_a_d_that_changes_its_mind() -> None:
    part = ADA(interval=1, images=80, initial_prob=0.5).double()
    assert updates(part, [1, 1, -1, 1, -1, -1]) == pytest.approx([0.6, 0.7, 0.6, 0.7, 0.6, 0.5], abs=1e-12)


def test_what_counts_is_the_mean_of_the_signs_over_an_interval_and_not_the_last() -> None:
    part = ADA(target=0.6, interval=2, images=160, initial_prob=0.5).double()
    signs = [0.0, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0, 0.25]  # means of 0.5, 0.75, 0.5, 0.625
    assert updates(part, signs) == pytest.approx([0.5, 0.4, 0.4, 0.5, 0.5, 0.4, 0.4, 0.5], abs=1e-12)


def test_signs_count_and_not_sizes_and_p_stays_where_they_meet_the_target() -> None:
    part = ADA(target=0.5, interval=1, images=80, initial_prob=0.5).double()
    small = 1e-3
    for logits, expected in (([small] * 3 + [-9], 0.5), ([small] * 2 + [-9] * 2, 0.4), ([9.0, 9.0, 0.0, 0.0], 0.4)):
        part.after(Update("d", nn.Identity(), 8, torch.tensor(logits), torch.zeros(4), lambda x: x))
        assert part.prob.item() == pytest.approx(expected, abs=1e-12)


def test_updates_of_g_and_logits_of_fakes_count_nothing() -> None:
    part = ADA(interval=1, images=80, initial_prob=0.5)
    part.after(Update("g", nn.Identity(), 8, None, torch.ones(8), lambda x: x))
    assert (part.prob, part.updates, part.signs) == (0.5, 0, 0)


def test_signs_are_averaged_over_processes_and_images_counted_over_all() -> None:
    part = ADA(interval=1, images=160, initial_prob=0.5).double()
    assert updates(part, [1.0], images=16, mean=lambda x: x - 1) == pytest.approx([0.4])  # as if the other had -1
    assert updates(part, [1.0], images=16, mean=lambda x: x) == pytest.approx([0.5])


class Sure(nn.Module):
    """A discriminator that calls all images real whose mean is above a threshold, and learns nothing."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.idle = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        return Verdict((images.mean((1, 2, 3)) - self.threshold).sign() + 0 * self.idle)


@pytest.mark.parametrize(("threshold", "initial_prob", "slope"), [(-2.0, 0.0, 1), (2.0, 0.5, -1)])
def test_in_training_p_follows_ds_updates(
    smooth_gan: Build, fit: Build, threshold: float, initial_prob: float, slope: int
) -> None:
    part = ADA(interval=2, images=1000, initial_prob=initial_prob, color=0.0)
    gan = fit(smooth_gan(Sure(threshold), stabilizers=[part], n_critic=3), max_steps=3)
    assert part.prob.item() == pytest.approx(initial_prob + slope * 4 * 2 * 8 / 1000, abs=1e-12)  # 9 updates
    assert gan.state_dict()["stabilizers.0.updates"] == 9
    assert gan.state_dict()["stabilizers.0.signs"] == slope  # of the one since the last adjustment


@pytest.mark.parametrize(("accumulate", "processes"), [(2, 1), (1, 2), (2, 2)])
def test_p_is_the_same_with_micro_batches_and_two_processes(
    smooth_gan: Build, fit: Build, accumulate: int, processes: int
) -> None:
    def trained(accumulate: int, processes: int) -> dict[str, Tensor]:
        part = ADA(target=0.1, interval=1, images=80, initial_prob=0.4)
        gan = smooth_gan(stabilizers=[part], n_critic=2, accumulate=accumulate)
        state: dict[str, Tensor] = fit(gan, max_steps=3, processes=processes).state_dict()
        return state

    expected, state = trained(1, 1), trained(accumulate, processes)
    torch.testing.assert_close(state, expected, rtol=1e-9, atol=1e-12)
    assert expected["stabilizers.0.prob"] != 0.4


# Numbers that choose one change: what is not chosen keeps a number of 1, which is above any chance.


def pixels(size: torch.Size = SQUARE, normal: Iterable[float] = (0, 0, 0, 0), **numbers: float) -> Tensor:
    """The map (1, 3, 3) with these numbers by index: ``pixels(u0=0, u1=0.7)`` mirrors."""
    uniform = torch.tensor([[numbers.get(f"u{k}", 1.0) for k in range(14)]], dtype=torch.float64)
    z = torch.tensor([list(normal)], dtype=torch.float64)
    return pixel_map(uniform, z, torch.tensor(0.5), torch.tensor(0.5), size)


def colors(normal: Iterable[float] = (0, 0, 0), **numbers: float) -> Tensor:
    """The map (1, 4, 4) with these numbers by index."""
    uniform = torch.tensor([[numbers.get(f"u{k}", 1.0) for k in range(7)]], dtype=torch.float64)
    return color_map(uniform, torch.tensor([list(normal)], dtype=torch.float64), torch.tensor(0.5))


def matrix(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def reflected(place: float, size: int) -> float:
    """A place on the line of an image that is continued by its mirror images, in [0, size - 1]."""
    while not 0 <= place <= size - 1:
        place = -place if place < 0 else 2 * (size - 1) - place
    return place


def resampled(image: Tensor, place: Tensor) -> Tensor:
    """An image (C, H, W) at the places of a map (3, 3), pixel by pixel."""
    _, height, width = image.shape
    seen = torch.empty_like(image)
    for r in range(height):
        for s in range(width):
            x, y, _ = (place @ matrix([[s - (width - 1) / 2], [r - (height - 1) / 2], [1]])).flatten().tolist()
            column, row = reflected(x + (width - 1) / 2, width), reflected(y + (height - 1) / 2, height)
            seen[:, r, s] = 0
            for i in {math.floor(row), math.ceil(row)}:
                for j in {math.floor(column), math.ceil(column)}:
                    seen[:, r, s] += (1 - abs(row - i)) * (1 - abs(column - j)) * image[:, i, j]
    return seen


@pytest.mark.parametrize("size", [SQUARE, OBLONG], ids=str)
def test_images_are_resampled_bilinearly_and_reflected_as_by_loops_over_pixels(size: torch.Size, draw: Build) -> None:
    images = draw(6, 2, *size)
    places = torch.eye(3, dtype=torch.float64) + torch.tensor([[1], [1], [0]]) * draw(6, 3, 3, seed=1)
    places[:, :2, 2] *= 15  # beyond several mirror images
    expected = [resampled(image, place) for image, place in zip(images, places, strict=True)]
    torch.testing.assert_close(warped(images, places), torch.stack(expected), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [SQUARE, OBLONG, torch.Size((1, 1)), torch.Size((1, 4))], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_without_chance_nothing_changes(size: torch.Size, channels: int, draw: Build) -> None:
    images = draw(5, channels, *size)
    eye = torch.eye(3, dtype=torch.float64).expand(5, 3, 3)
    assert torch.equal(warped(images, eye), images)
    uniform, normal = draw(5, 14, seed=1).abs(), draw(5, 4, seed=2)
    assert torch.equal(pixel_map(uniform, normal, torch.tensor(0.0), torch.tensor(0.0), size), eye)
    same = color_map(uniform[:, :7], normal[:, :3], torch.tensor(0.0))
    assert torch.equal(same, torch.eye(4, dtype=torch.float64).expand(5, 4, 4))
    torch.testing.assert_close(ADA().view(images, SharedDraws()), images, rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", [SQUARE, OBLONG], ids=str)
def test_mirror_is_exact_and_chosen_half_the_time(size: torch.Size, draw: Build) -> None:
    images = draw(1, 3, *size)
    assert torch.equal(warped(images, pixels(size, u0=0.4, u1=0.7)), images.flip(3))
    assert torch.equal(warped(images, pixels(size, u0=0.4, u1=0.3)), images)


def test_quarter_turns_are_exact_and_chosen_a_quarter_of_the_time_each(draw: Build) -> None:
    images = draw(1, 3, *SQUARE)
    turned = [warped(images, pixels(u2=0.4, u3=(k + 0.5) / 4)) for k in range(4)]
    for k, seen in enumerate(turned):
        torch.testing.assert_close(seen, images.rot90(k, (2, 3)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [torch.Size((8, 16)), torch.Size((16, 8))], ids=str)
def test_shifts_by_whole_pixels_are_exact_reflect_the_border_and_reach_an_eighth(size: torch.Size, draw: Build) -> None:
    images = draw(1, 2, *size)
    height, width = size
    reach = height // 8, width // 8
    seen = set()
    for u5 in (0.01, 0.3, 0.5, 0.7, 0.99):
        for u6 in (0.01, 0.3, 0.5, 0.7, 0.99):
            place = pixels(size, u4=0.4, u5=u5, u6=u6)[0]
            right, down = (int(place[k, 2]) for k in (0, 1))
            expected = torch.empty_like(images)
            for r in range(height):
                for s in range(width):
                    row, column = int(reflected(r + down, height)), int(reflected(s + right, width))
                    expected[..., r, s] = images[..., row, column]
            assert torch.equal(warped(images, place[None]), expected)
            assert (right, down) == (round((2 * u5 - 1) * width / 8), round((2 * u6 - 1) * height / 8))
            seen.add((down, right))
    assert {abs(down) for down, _ in seen} == set(range(reach[0] + 1))
    assert {abs(right) for _, right in seen} == set(range(reach[1] + 1))


def turn(angle: float) -> Tensor:
    return matrix([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])


def test_scales_turns_stretches_and_fractional_shifts_are_the_papers(draw: Build) -> None:
    height, width = OBLONG
    z = draw(4).tolist()
    maps = {
        "scale": (pixels(OBLONG, z, u7=0.4), torch.diag(matrix([[2 ** (0.2 * z[0])] * 2 + [1]])[0])),
        "turn": (pixels(OBLONG, z, u8=0.2, u9=0.7), turn(0.4 * math.pi)),
        "stretch": (pixels(OBLONG, z, u10=0.4), torch.diag(matrix([[2 ** (0.2 * z[1]), 2 ** (-0.2 * z[1]), 1]])[0])),
        "turn again": (pixels(OBLONG, z, u11=0.2, u12=0.1), turn(-0.8 * math.pi)),
        "shift": (pixels(OBLONG, z, u13=0.4), matrix([[1, 0, z[2] * width / 8], [0, 1, z[3] * height / 8], [0, 0, 1]])),
    }
    for name, (found, expected) in maps.items():
        torch.testing.assert_close(found[0], expected, rtol=1e-12, atol=1e-15, msg=lambda m, n=name: f"{n}: {m}")
        assert not torch.allclose(expected, torch.eye(3).double(), atol=1e-2)


def test_changes_of_pixels_compose_in_the_order_of_the_paper_the_first_on_the_image_itself(draw: Build) -> None:
    z, size = (0.3, -0.7, 0.1, 0.2), torch.Size((16, 16))
    chosen = {
        "mirror": {"u0": 0.1, "u1": 0.9},
        "quarter": {"u2": 0.1, "u3": 0.4},
        "whole": {"u4": 0.1, "u5": 0.9, "u6": 0.2},
        "scale": {"u7": 0.1},
        "turn": {"u8": 0.1, "u9": 0.6},
        "stretch": {"u10": 0.1},
        "again": {"u11": 0.1, "u12": 0.2},
        "shift": {"u13": 0.1},
    }
    product = torch.eye(3, dtype=torch.float64)
    for numbers in chosen.values():  # out = S8 ... S2 S1 in, so in = S1⁻¹ S2⁻¹ ... S8⁻¹ out
        product = product @ pixels(size, z, **numbers)[0]
    together = pixels(size, z, **{name: u for numbers in chosen.values() for name, u in numbers.items()})
    torch.testing.assert_close(together[0], product, rtol=1e-12, atol=1e-12)
    images = draw(1, 2, *size)
    stepwise = images
    for name in ("mirror", "quarter"):  # exact, so that images may be compared, too
        stepwise = warped(stepwise, pixels(size, **chosen[name]))
    both = pixels(size, **chosen["mirror"], **chosen["quarter"])
    torch.testing.assert_close(warped(images, both), stepwise, rtol=0, atol=1e-12)
    assert not torch.allclose(stepwise, warped(warped(images, pixels(**chosen["quarter"])), pixels(**chosen["mirror"])))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_one_rotation_or_both_have_together_the_probability_wanted(p: float) -> None:
    grid = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    first, second = torch.meshgrid(grid, grid, indexing="ij")
    uniform = torch.ones(200 * 200, 14, dtype=torch.float64)
    uniform[:, 8], uniform[:, 11] = first.flatten(), second.flatten()
    uniform[:, [9, 12]] = 0.8
    places = pixel_map(uniform, torch.zeros(200 * 200, 4), torch.tensor(0.0), torch.tensor(p).double(), SQUARE)
    is_turned = (places - torch.eye(3)).abs().amax((1, 2)) > 1e-6
    assert is_turned.double().mean().item() == pytest.approx(p, abs=0.01)
    with_either = 1 - math.sqrt(1 - p)
    is_twice = (places - turn(1.2 * math.pi)).abs().amax((1, 2)) < 1e-6  # twice 0.6 pi
    assert is_twice.double().mean().item() == pytest.approx(with_either**2, abs=0.01)


@pytest.mark.parametrize("p", [0.2, 0.7])
@pytest.mark.parametrize("group", ["pixels", "geometry"])
def test_changes_of_a_group_are_made_with_its_probability_independently(group: str, p: float) -> None:
    draws = SharedDraws()
    uniform = draws.uniform(20_000, 14).double()
    normal = draws.share(20_000, lambda n, generator: torch.randn(n, 4, generator=generator)).double()
    chances = [torch.tensor(p if group == name else 0.0, dtype=torch.float64) for name in ("pixels", "geometry")]
    places = pixel_map(uniform, normal, *chances, torch.Size((8, 8)))
    is_changed = (places - torch.eye(3)).abs().amax((1, 2)) > 1e-9
    # Nothing changes in 1/2 of the mirrors, 1/4 of the turns, 1/4 of the shifts by a pixel at most.
    none = (1 - p / 2) * (1 - p * 3 / 4) ** 2 if group == "pixels" else (1 - p) ** 4
    assert is_changed.double().mean().item() == pytest.approx(1 - none, abs=0.014)  # four standard errors


COLORS = {
    "brightness": {"u0": 0.1},
    "contrast": {"u1": 0.1},
    "luma": {"u2": 0.1, "u3": 0.9},
    "hue": {"u4": 0.1, "u5": 0.7},
    "saturation": {"u6": 0.1},
}
Z = (1.5, -0.8, 0.6)


def repainted(color: list[float], change: str) -> list[float]:
    """What the paper makes of one colour."""
    luma = sum(color) / 3
    if change == "brightness":
        return [x + 0.2 * Z[0] for x in color]
    if change == "contrast":
        return [x * 2 ** (0.5 * Z[1]) for x in color]
    if change == "luma":
        return [x - 2 * luma for x in color]
    if change == "saturation":
        return [luma + (x - luma) * 2 ** Z[2] for x in color]
    angle, axis = 0.4 * math.pi, 3**-0.5  # Rodrigues: v cos + (k x v) sin + k (k . v)(1 - cos)
    red, green, blue = color
    cross = [axis * (blue - green), axis * (red - blue), axis * (green - red)]
    along = axis * sum(color) * axis * (1 - math.cos(angle))
    return [x * math.cos(angle) + c * math.sin(angle) + along for x, c in zip(color, cross, strict=True)]


@pytest.mark.parametrize("change", COLORS)
def test_each_change_of_colors_is_the_papers(change: str, draw: Build) -> None:
    images = draw(2, 3, 3, 4)
    seen = recolored(images, colors(Z, **COLORS[change]).expand(2, 4, 4))
    for number in range(2):
        for r in range(3):
            for s in range(4):
                expected = repainted(images[number, :, r, s].tolist(), change)
                assert seen[number, :, r, s].tolist() == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_changes_of_colors_are_made_in_the_order_of_the_paper_brightness_first(draw: Build) -> None:
    color = draw(3).tolist()
    together = colors(Z, **{name: u for numbers in COLORS.values() for name, u in numbers.items()})
    seen = recolored(matrix([color]).view(1, 3, 1, 1), together).flatten().tolist()
    for change in COLORS:
        color = repainted(color, change)
    assert seen == pytest.approx(color, rel=1e-12)


def test_hue_keeps_luma_and_distances_saturation_keeps_grey_and_inverting_luma_twice_is_nothing(draw: Build) -> None:
    images = draw(1, 3, 4, 4)
    for u5 in (0.0, 0.3, 0.9):
        turned = recolored(images, colors(u4=0.1, u5=u5))
        torch.testing.assert_close(turned.mean(1), images.mean(1), rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(turned.norm(dim=1), images.norm(dim=1), rtol=1e-12, atol=0)
    torch.testing.assert_close(recolored(images, colors(u4=0.1, u5=0.5 + 1 / 3)), images.roll(1, 1))  # red to green
    grey = images[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(recolored(grey, colors(Z, u6=0.1)), grey, rtol=1e-12, atol=1e-14)
    inverted = colors(u2=0.1, u3=0.9)
    torch.testing.assert_close(inverted @ inverted, torch.eye(4, dtype=torch.float64)[None], rtol=0, atol=1e-15)
    assert torch.equal(colors(u2=0.1, u3=0.4), torch.eye(4, dtype=torch.float64)[None])  # chosen half the time


def numbers_of(count: int) -> tuple[Tensor, Tensor]:
    """What fresh draws give."""
    draws = SharedDraws()
    uniform = draws.uniform(count, 21).double()
    return uniform, draws.share(count, lambda n, generator: torch.randn(n, 7, generator=generator)).double()


@pytest.mark.parametrize("channels", [1, 3])
def test_view_warps_and_repaints_each_image_by_numbers_of_its_own(channels: int, draw: Build) -> None:
    images = draw(1, channels, *OBLONG).expand(8, -1, -1, -1)
    part = ADA(initial_prob=0.8, pixels=0.5, geometry=0.75, color=1.0)
    seen = part.view(images, SharedDraws())
    uniform, normal = numbers_of(8)
    chances = [torch.tensor(p, dtype=torch.float64) for p in (0.4, 0.6, 0.8)]
    places = pixel_map(uniform[:, :14], normal[:, :4], *chances[:2], OBLONG)
    paints = color_map(uniform[:, 14:], normal[:, 4:], chances[2])
    for image, place, paint, found in zip(images, places, paints, seen, strict=True):
        moved = resampled(image, place).expand(3, -1, -1).flatten(1)
        painted = (paint[:3, :3] @ moved + paint[:3, 3:]).view(3, *OBLONG)
        expected = painted if channels == 3 else painted.sum(0, keepdim=True) / 3
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)  # p is kept in 32 bits
    assert seen.flatten(1).unique(dim=0).shape[0] == 8


def test_factors_turn_groups_off(draw: Build) -> None:
    images = draw(16, 3, *SQUARE)
    whole = ADA(initial_prob=1.0, geometry=0.0, color=0.0).view(images, SharedDraws())
    for image, seen in zip(images, whole, strict=True):  # pixels move and keep their values
        distance = (seen.flatten(1).T[:, None] - image.flatten(1).T).abs().amax(2)
        assert distance.amin(1).max() < 1e-12
    flat = images[:, :, :1, :1].expand(-1, -1, *SQUARE)
    torch.testing.assert_close(ADA(initial_prob=1.0, color=0.0).view(flat, SharedDraws()), flat, rtol=0, atol=1e-12)
    painted = ADA(initial_prob=1.0, pixels=0.0, geometry=0.0).view(flat, SharedDraws())
    torch.testing.assert_close(painted, painted[:, :, :1, :1].expand_as(painted))
    assert ((painted - flat).abs().amax((1, 2, 3)) > 1e-3).all()
    still = ADA(initial_prob=1.0, pixels=0.0, geometry=0.0, color=0.0).view(images, SharedDraws())
    torch.testing.assert_close(still, images, rtol=0, atol=1e-15)


def test_reals_and_fakes_are_changed_differently_and_changes_do_not_depend_on_how_the_batch_is_shared(
    draw: Build,
) -> None:
    images, augment, draws = draw(8, 3, *SQUARE), ADA(initial_prob=1.0), SharedDraws()
    whole, other = augment.view(images, draws), augment.view(images, draws)
    assert (whole - other).abs().amax((1, 2, 3)).min() > 1e-3
    for rank in (0, 1):
        for part in (0, 1):
            draws.begin(rank=rank, world_size=2, part=part, parts=2)
            own = images[rank::2][2 * part :][:2]
            torch.testing.assert_close(augment.view(own, draws), whole[rank::2][2 * part :][:2], rtol=0, atol=1e-14)


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_pass_twice(channels: int, draw: Build) -> None:
    images, part = draw(2, channels, 4, 5).requires_grad_(), ADA(initial_prob=0.7)
    assert torch.autograd.gradcheck(lambda x: part.view(x, SharedDraws()), images)
    assert torch.autograd.gradgradcheck(lambda x: part.view(x, SharedDraws()).pow(3), images)


def test_r1_through_it_is_that_of_its_jacobian_and_has_a_gradient_for_d(make_move: Build, draw: Build) -> None:
    part, images = ADA(initial_prob=0.7), draw(3, 3, 4, 5)
    weight = draw(60, seed=1).requires_grad_()

    def critic(images: Tensor, labels: Tensor) -> Tensor:
        return part.view(images, SharedDraws()).flatten(1) @ weight

    value = R1(2.0).discriminator_terms(make_move(critic, images, images))["r1"]
    value.backward()
    basis = torch.eye(60, dtype=torch.float64).view(60, 1, 3, 4, 5)
    none = part.view(torch.zeros_like(images), SharedDraws())
    columns = [(part.view(x.expand_as(images), SharedDraws()) - none).flatten(1) for x in basis]  # it is affine
    jacobians = torch.stack(columns, 2)
    gradients = jacobians.transpose(1, 2) @ weight.detach()
    torch.testing.assert_close(value, gradients.square().sum() / 3, rtol=1e-12, atol=0)
    expected = (2 * jacobians @ gradients[:, :, None])[:, :, 0].sum(0) / 3
    torch.testing.assert_close(weight.grad, expected, rtol=1e-12, atol=1e-14)


class Eye(nn.Module):
    """Remembers what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        self.seen = images
        return Verdict(images.sum((1, 2, 3)))


def test_mixed_precision_does_not_move_pixels(smooth_gan: Build, draw: Build) -> None:
    gan = smooth_gan(Eye(), stabilizers=[ADA(initial_prob=0.9)]).float()
    images, seen = draw(4, 3, 16, 16).float(), []
    for enabled in (False, True):
        gan.draws.begin(0)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            gan.judge(images)
        seen.append(gan.discriminator.seen)
    assert seen[1].dtype == torch.float32
    assert torch.equal(*seen)
    assert not torch.equal(seen[0], images)


def test_state_is_in_the_checkpoint() -> None:
    part = ADA(interval=3, images=100, initial_prob=0.25)
    updates(part, [1.0] * 4)
    fresh = ADA(interval=3, images=100)
    fresh.load_state_dict(part.state_dict())
    assert updates(fresh, [1.0] * 5) == updates(part, [1.0] * 5)
    assert part.prob == fresh.prob > 0.6


@pytest.mark.parametrize("name", ["target", "initial_prob", "pixels", "geometry", "color"])
def test_illegal_parts_are_errors_that_name_them(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\], got 1\.5"):
        ADA(**{name: 1.5})


@pytest.mark.parametrize("name", ["interval", "images"])
def test_illegal_counts_are_errors_that_name_them(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be an integer, at least 1, got 0"):
        ADA(**{name: 0})
