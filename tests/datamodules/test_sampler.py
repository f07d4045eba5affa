import itertools

import pytest

from datamodules.sampler import CountedSampler, OrderedSampler


def test_an_epoch_holds_no_image_twice_and_drops_less_than_a_batch():
    sampler = CountedSampler(length=103, batch_size=10)
    indices = [index for batch in sampler for index in batch]
    assert len(sampler) == 10
    assert len(set(indices)) == len(indices) == 100
    assert set(indices) <= set(range(103))


@pytest.mark.parametrize("start", [0, 1, 4, 5, 6, 11])
def test_iteration_from_batch_k_is_the_tail_of_the_run(start):
    sampler = CountedSampler(length=21, batch_size=4, seed=3)
    whole = [sampler.batch(number) for number in range(20)]
    resumed = CountedSampler(length=21, batch_size=4, seed=3, start=lambda: start)
    assert list(resumed) == whole[start : start + 5]


def test_start_is_asked_when_an_iteration_begins_not_when_its_first_batch_is_taken():
    progress = {"batches": 2}
    sampler = CountedSampler(length=20, batch_size=4, start=lambda: progress["batches"])
    iterator = iter(sampler)
    progress["batches"] = 4
    assert next(iterator) == sampler.batch(2)
    assert next(iter(sampler)) == sampler.batch(4)


def test_orders_differ_between_epochs_and_seeds_also_where_their_sum_agrees():
    first_batches = {
        tuple(CountedSampler(length=1000, batch_size=1000, seed=seed).batch(epoch))
        for seed in range(4)
        for epoch in range(4)
    }
    assert len(first_batches) == 16


def test_order_is_the_same_in_every_version_and_on_every_machine():
    assert CountedSampler(length=12, batch_size=6, seed=2**40).batch(3) == [5, 7, 9, 11, 6, 4]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_share_the_global_batch_of_one_process(world_size):
    whole = CountedSampler(length=50, batch_size=6, seed=1)
    shards = [
        CountedSampler(50, 6 // world_size, seed=1, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    for number in range(20):
        parts = [shard.batch(number) for shard in shards]
        assert sorted(itertools.chain(*parts)) == sorted(whole.batch(number))
        assert parts[0] == whole.batch(number)[::world_size]


def test_without_flips_the_order_is_what_it_was_and_with_them_the_images_are_the_same():
    plain = CountedSampler(length=1000, batch_size=100, seed=5)
    flipped = CountedSampler(length=1000, batch_size=100, seed=5, flip=True)
    for number in range(15):
        assert [index % 1000 for index in flipped.batch(number)] == plain.batch(number)


def test_about_half_of_the_images_are_mirrored_anew_in_each_epoch():
    sampler = CountedSampler(length=10_000, batch_size=10_000, flip=True)
    mirrored = [{index - 10_000 for index in sampler.batch(epoch) if index >= 10_000} for epoch in range(2)]
    assert 4_800 < len(mirrored[0]) < 5_200
    assert 2_300 < len(mirrored[0] & mirrored[1]) < 2_700


def test_flips_are_the_same_in_every_version_and_on_every_machine():
    assert CountedSampler(length=12, batch_size=6, seed=2**40, flip=True).batch(3) == [17, 19, 9, 11, 18, 4]


@pytest.mark.parametrize("start", [1, 5, 6])
def test_flips_do_not_depend_on_where_the_run_was_resumed(start):
    sampler = CountedSampler(length=21, batch_size=4, seed=3, flip=True)
    resumed = CountedSampler(length=21, batch_size=4, seed=3, start=lambda: start, flip=True)
    assert list(resumed) == [sampler.batch(number) for number in range(start, start + 5)]


@pytest.mark.parametrize("world_size", [2, 3])
def test_flips_do_not_depend_on_the_number_of_processes(world_size):
    whole = CountedSampler(length=50, batch_size=6, seed=1, flip=True)
    for rank in range(world_size):
        shard = CountedSampler(50, 6 // world_size, seed=1, rank=rank, world_size=world_size, flip=True)
        assert all(shard.batch(number) == whole.batch(number)[rank::world_size] for number in range(20))


@pytest.mark.parametrize("length", [1, 7, 8, 1001])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ordered_shards_hold_every_image_once_in_bounded_batches(length, world_size):
    shards = [list(OrderedSampler(length, 5, rank, world_size)) for rank in range(world_size)]
    assert sorted(index for shard in shards for batch in shard for index in batch) == list(range(length))
    assert all(0 < len(batch) <= 5 for shard in shards for batch in shard)
    assert all(batch == sorted(batch) for shard in shards for batch in shard)


@pytest.mark.parametrize("length", range(8, 60))
def test_ordered_shards_have_as_many_batches_on_every_rank(length):
    assert len({len(OrderedSampler(length, 3, rank, world_size=4)) for rank in range(4)}) == 1


def test_nothing_in_order_is_no_batch():
    assert list(OrderedSampler(length=0, batch_size=3)) == []
