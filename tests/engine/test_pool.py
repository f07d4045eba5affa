"""The pool of fakes: filled first, then exchanged at random, the same for any number of processes."""

import pytest
import torch
from torch import Tensor

from gan_lightning.engine import pool as module
from gan_lightning.engine.draws import SharedDraws
from gan_lightning.engine.pool import ImagePool


def numbered(first: int, count: int) -> Tensor:
    return torch.arange(first, first + count).float().view(-1, 1, 1, 1)


def draws_of(step: int) -> SharedDraws:
    draws = SharedDraws()
    draws.begin(step, 0)
    return draws


def test_fakes_fill_the_pool_and_are_shown_as_they_are() -> None:
    pool = ImagePool(5, 1, 1, 1)
    for step in range(2):
        fakes = numbered(2 * step, 2)
        assert torch.equal(pool.exchange(fakes, draws_of(step)), fakes)
    assert pool.images.flatten().tolist() == [0, 1, 2, 3, 0]
    assert int(pool.count) == 4


def test_of_a_full_pool_half_come_from_earlier_and_none_is_lost() -> None:
    pool, shown = ImagePool(10, 1, 1, 1), []
    for step in range(200):
        shown += pool.exchange(numbered(4 * step, 4), draws_of(step)).flatten().tolist()
    assert sorted([*shown, *pool.images.flatten().tolist()][10:]) != list(range(10, 810))  # they were mixed
    assert len({*shown, *pool.images.flatten().tolist()}) == 800  # every fake was shown, or waits
    late = sum(image < 4 * (k // 4) for k, image in enumerate(shown)) / len(shown)
    assert 0.4 < late < 0.6


def test_a_pool_of_none_changes_nothing() -> None:
    fakes = numbered(0, 3)
    assert ImagePool(0, 1, 1, 1).exchange(fakes, draws_of(0)) is fakes


def test_processes_share_one_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, ours = ImagePool(4, 1, 1, 1), [ImagePool(4, 1, 1, 1) for _ in range(2)]
    for step in range(6):
        whole = numbered(4 * step, 4)
        monkeypatch.setattr(module, "_gathered", lambda images: images)
        expected = alone.exchange(whole, draws_of(step))
        monkeypatch.setattr(module, "_gathered", lambda images, whole=whole: whole)
        for rank, pool in enumerate(ours):
            draws = SharedDraws()
            draws.begin(step, 0, rank=rank, world_size=2)
            assert torch.equal(pool.exchange(whole[rank::2], draws), expected[rank::2])
            assert torch.equal(pool.images, alone.images)


def test_a_size_below_0_is_refused() -> None:
    with pytest.raises(ValueError, match="pool_size"):
        ImagePool(-1, 1, 1, 1)
