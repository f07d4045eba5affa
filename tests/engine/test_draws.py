"""What a step draws: the same for the whole batch, however it is shared."""

import pytest
import torch

from gan_lightning.engine.draws import SharedDraws, seed_default_generators


def drawn(count: int, draws: int = 2, **share: int) -> list[torch.Tensor]:
    shared = SharedDraws()
    shared.begin(3, 1, **share)
    return [shared.uniform(count, 2) for _ in range(draws)]


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_shares_of_ranks_and_micro_batches_make_up_the_whole(world_size: int, parts: int) -> None:
    whole = drawn(24)
    count = 24 // (world_size * parts)
    for rank in range(world_size):
        shares = [drawn(count, rank=rank, world_size=world_size, part=p, parts=parts) for p in range(parts)]
        for k, expected in enumerate(whole):
            assert torch.equal(torch.cat([share[k] for share in shares]), expected[rank::world_size])


def test_draws_of_an_update_differ_and_those_of_another_too() -> None:
    first, second = drawn(4)
    assert not torch.equal(first, second)
    other = SharedDraws()
    other.begin(3, 2)
    assert not torch.equal(first, other.uniform(4, 2))


def test_draws_leave_the_default_generator_alone() -> None:
    before = torch.get_rng_state()
    drawn(4)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeding_the_default_generators_is_that_of_torch_and_queues_nothing() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    queued = len(torch.cuda._queued_calls)
    seed_default_generators(5, torch.device("cpu"))
    assert torch.equal(torch.rand(3), expected)
    assert len(torch.cuda._queued_calls) == queued
