"""Historical averaging: the distance, its gradient, and the average that moves once an update of its player."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_lightning.base import AdversarialModule
from gan_lightning.game import Move, Terms, Update
from gan_lightning.stabilizers import HistoricalAveraging

Build = Callable[..., Any]


def copies(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def averages(part: HistoricalAveraging, player: str) -> list[Tensor]:
    named = dict(part.named_buffers())
    return [named[f"{player}_{k}"] for k in range(sum(name.startswith(player) for name in named))]


@pytest.fixture
def networks() -> tuple[nn.Module, nn.Module]:
    """G and D."""
    return nn.Linear(2, 3).double(), nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).double()


def move_of(player: str, networks: tuple[nn.Module, nn.Module], make_move: Build) -> Move:
    images = torch.zeros(1, 1, 1, 1)
    move: Move = make_move(lambda x, labels: x, images, images, player=player, network=networks["gd".index(player)])
    return move


@pytest.mark.parametrize("player", ["g", "d"])
def test_term_is_weight_times_squared_distance_from_the_average(
    player: str, networks: tuple[nn.Module, nn.Module], make_move: Build
) -> None:
    part = HistoricalAveraging(weight=0.7)
    part.attach(*networks)
    move = move_of(player, networks, make_move)
    assert {name: value.item() for name, value in part.terms(move).items()} == {"historical_averaging": 0.0}
    before = copies(move.network)
    for parameter in move.network.parameters():
        parameter.data += torch.randn_like(parameter)
    value = part.terms(move)["historical_averaging"]
    value.backward()
    shifts = [parameter.detach() - old for parameter, old in zip(move.network.parameters(), before, strict=True)]
    expected = 0.7 * sum(x**2 for shift in shifts for x in shift.flatten().tolist())
    assert value.item() == pytest.approx(expected, rel=1e-12)
    for parameter, shift in zip(move.network.parameters(), shifts, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * 0.7 * shift, rtol=1e-12, atol=1e-15)


def test_average_of_the_player_that_moved_goes_a_part_of_the_way_and_the_other_stays(
    networks: tuple[nn.Module, nn.Module],
) -> None:
    generator, discriminator = networks
    part = HistoricalAveraging(decay=0.75)
    part.attach(generator, discriminator)
    before = {player: [x.clone() for x in averages(part, player)] for player in "gd"}
    for parameter in [*generator.parameters(), *discriminator.parameters()]:
        parameter.data += 4.0
    part.after(Update("d", discriminator, 8, None, torch.zeros(8), lambda x: x))
    torch.testing.assert_close(averages(part, "d"), [x + 1 for x in before["d"]], rtol=1e-12, atol=0)
    torch.testing.assert_close(averages(part, "g"), before["g"], rtol=0, atol=0)


def watch(gan: AdversarialModule, part: HistoricalAveraging, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The parameters of each player after each of its updates, and the terms that stabilizers add to each loss."""
    seen: dict[str, list[Any]] = {"g": [], "d": [], "g terms": [], "d terms": []}
    after, terms = part.after, gan.terms

    def watched_after(update: Update) -> None:
        seen[update.player].append(copies(update.network))
        after(update)

    def watched_terms(move: Move) -> tuple[Terms, Terms, Terms]:
        result = terms(move)
        seen[f"{move.player} terms"].append(result[1]["historical_averaging"].item())
        return result

    monkeypatch.setattr(part, "after", watched_after)
    monkeypatch.setattr(gan, "terms", watched_terms)
    return seen


@pytest.mark.parametrize("accumulate", [1, 2])
def test_in_training_averages_are_those_of_the_parameters_after_each_update_of_the_player(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    part = HistoricalAveraging(weight=0.5, decay=0.9)
    gan = smooth_gan(stabilizers=[part], n_critic=2, accumulate=accumulate)
    start = {"g": copies(gan.generator), "d": copies(gan.discriminator)}
    seen = watch(gan, part, monkeypatch)
    fit(gan, max_steps=3)
    assert [len(seen[player]) for player in "gd"] == [3, 6]
    for player in "gd":
        average, distances = start[player], []
        for old, new in zip([start[player], *seen[player]], seen[player], strict=False):
            distance = sum((p - a).square().sum().item() for p, a in zip(old, average, strict=True))
            distances += [0.5 * distance] * accumulate
            average = [0.9 * a + 0.1 * p for a, p in zip(average, new, strict=True)]
        assert seen[f"{player} terms"] == pytest.approx(distances, rel=1e-9, abs=1e-15)
        assert distances[-1] > distances[0] == 0
        torch.testing.assert_close(averages(part, player), average, rtol=1e-12, atol=1e-15)


def test_averages_are_in_the_checkpoint_and_come_back(smooth_gan: Build, fit: Build) -> None:
    gan = fit(smooth_gan(stabilizers=[HistoricalAveraging()]), max_steps=2)
    state = gan.state_dict()
    kept = [name for name in state if name.startswith("stabilizers.0.")]
    assert len(kept) == len(list(gan.generator.parameters())) + len(list(gan.discriminator.parameters()))
    fresh = smooth_gan(stabilizers=[HistoricalAveraging()])
    assert not all(torch.equal(fresh.state_dict()[name], state[name]) for name in kept)
    fresh.load_state_dict(state)
    assert all(torch.equal(fresh.state_dict()[name], state[name]) for name in kept)


def test_averages_are_no_parameters_that_an_optimizer_would_move(smooth_gan: Build) -> None:
    part = HistoricalAveraging()
    smooth_gan(stabilizers=[part])
    assert list(part.parameters()) == []
    assert not any(average.requires_grad for average in part.buffers())


def test_illegal_numbers_are_errors_that_name_them() -> None:
    with pytest.raises(ValueError, match="weight must be finite and at least 0, got -1"):
        HistoricalAveraging(weight=-1)
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\), got 1.0"):
        HistoricalAveraging(decay=1.0)
