import pickle

import pytest
import torch

from datamodules.loader import BatchLoader
from datamodules.pixels import PixelDataset, normalize

ORDER = [[0, 5, 2], [3, 10 + 4]]


class Trainer:
    """Tells which run is under way."""

    def __init__(self, run):
        self.run = run

    def __call__(self):
        return self.run


@pytest.fixture(params=[0, 2], ids=["no workers", "2 workers"])
def make(request):
    """Makes a loader of ten images in `ORDER`, and the batches that its dataset gives."""
    pixels = torch.arange(40, dtype=torch.uint8).view(10, 1, 2, 2) * 6
    dataset = PixelDataset(pixels, torch.arange(10))

    def make(**kwargs):
        return BatchLoader(dataset, ORDER, request.param, **kwargs), [dataset[indices] for indices in ORDER]

    return make


def assert_equal(batches, expected):
    for batch, wanted in zip(batches, expected, strict=True):
        assert type(batch) is tuple
        for found, tensor in zip(batch, wanted, strict=True):
            assert found.dtype == tensor.dtype
            assert torch.equal(found, tensor)


def test_whoever_iterates_gets_floats(make):
    loader, batches = make()
    assert_equal(loader, map(normalize, batches))
    assert next(iter(loader))[0].dtype == torch.float32
    assert len(loader) == 2


def test_the_run_that_the_loader_was_made_in_gets_uint8(make):
    loader, batches = make(run=Trainer("fit"))
    assert_equal(loader, batches)
    assert next(iter(loader))[0].dtype == torch.uint8


@pytest.mark.parametrize("later", [None, "test"])
def test_after_its_run_a_loader_gives_floats(make, later):
    trainer = Trainer("fit")
    loader, batches = make(run=trainer)
    trainer.run = later
    assert_equal(loader, map(normalize, batches))
    trainer.run = "fit"
    assert_equal(loader, batches)


def test_a_run_that_was_given_a_loader_made_before_it_gets_floats(make):
    trainer = Trainer(None)
    loader, batches = make(run=trainer)
    trainer.run = "fit"
    assert_equal(loader, map(normalize, batches))


@pytest.mark.parametrize("pin_memory", [False, True])
def test_memory_is_pinned_if_it_is_asked_for_alone(make, monkeypatch, pin_memory):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: not pin_memory)
    loader, _ = make(pin_memory=pin_memory)
    assert loader.loader.pin_memory is pin_memory


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pinned_batches_are_page_locked_pixels(make):
    loader, batches = make(pin_memory=True, run=Trainer("fit"))
    assert_equal(loader, batches)
    assert all(tensor.is_pinned() for batch in loader for tensor in batch)


def test_a_loader_can_be_pickled(make):
    loader, batches = make(run=Trainer("fit"))
    assert_equal(pickle.loads(pickle.dumps(loader)), batches)


def test_a_loader_that_is_resumed_has_no_state(make):
    loader, _ = make()
    assert loader.state_dict() == {}
    loader.load_state_dict({"batches": 3})
    assert loader.state_dict() == {}
