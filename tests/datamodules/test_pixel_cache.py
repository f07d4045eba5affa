import errno
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

import datamodules.pixel_cache
from datamodules.decode import Decoder
from datamodules.pixel_cache import PixelCache, first_writable
from datamodules.sources import FolderSource

fork = multiprocessing.get_context("fork")


@pytest.fixture
def images(tmp_path):
    """A folder of 20 images; the colour of each is its number."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        Image.new("RGB", (6, 5), (number, 0, 255)).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def cache_of(tmp_path):
    def make(folder, size=4, folders=("cache",)):
        source = FolderSource(folder)
        return PixelCache([tmp_path / name for name in folders], "drawn", source, list(source.files), Decoder(size))

    return make


def numbers(cached):
    """The colours, and a check that the other channels are what was drawn."""
    assert (cached.pixels[:, 1:] == torch.tensor([0, 255]).view(1, 2, 1, 1)).all()
    return cached.pixels[:, 0, 0, 0].tolist()


def no_decoding(monkeypatch):
    monkeypatch.setattr(datamodules.pixel_cache, "decode_all", lambda *_: pytest.fail("decoded again"))


def test_a_cache_holds_every_image_in_order_and_is_decoded_once(images, cache_of, tmp_path, monkeypatch):
    built = cache_of(images).find_or_build(skip_damaged=False)
    assert numbers(built) == list(range(20))
    assert built.kept.tolist() == list(range(20))
    no_decoding(monkeypatch)
    opened = cache_of(images).find_or_build(skip_damaged=False)
    assert torch.equal(opened.pixels, built.pixels)
    assert (opened.pixels.dtype, tuple(opened.pixels.shape)) == (torch.uint8, (20, 3, 4, 4))


def test_pixels_lie_on_disk_uncompressed_and_alone(images, cache_of, tmp_path):
    cache = cache_of(images)
    cache.find_or_build(skip_damaged=False)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [".lock", cache.key]
    assert (tmp_path / "cache" / cache.key / "pixels").stat().st_size == cache.size == 20 * 3 * 4 * 4


def test_opening_takes_no_memory_for_the_pixels(images, cache_of):
    pixels = cache_of(images).find_or_build(skip_damaged=False).pixels
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    mapped = [line for line in maps.read_text().splitlines() if line.endswith("/pixels")]
    address = pixels.data_ptr()
    assert any(int(line.split("-")[0], 16) == address for line in mapped)


def test_everything_that_decides_the_pixels_has_a_cache_of_its_own(images, cache_of, monkeypatch):
    keys = [cache_of(images).key, cache_of(images, size=5).key]
    monkeypatch.setattr(datamodules.pixel_cache, "LAYOUT_VERSION", 0)
    keys.append(cache_of(images).key)
    monkeypatch.undo()
    Image.new("RGB", (6, 5), (99, 0, 255)).save(images / "07.png")
    keys.append(cache_of(images).key)
    (images / "08.png").rename(images / "08b.png")
    keys.append(cache_of(images).key)
    (images / "09.png").unlink()
    keys.append(cache_of(images).key)
    source = FolderSource(images)
    keys += [PixelCache([], "drawn", source, list(source.files), Decoder(4, crop)).key for crop in (3, 4)]
    keys.append(PixelCache([], "drawn", source, list(source.files)[::-1], Decoder(4)).key)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "pixels").write_bytes(b"short"),
        lambda path: os.truncate(path / "pixels", 19 * 3 * 4 * 4),
        lambda path: os.truncate(path / "pixels", 21 * 3 * 4 * 4),
        lambda path: (path / "pixels").unlink(),
        lambda path: (path / "cache.json").unlink(),
        lambda path: (path / "cache.json").write_text("{"),
        lambda path: (path / "cache.json").write_text("[]"),
        lambda path: (path / "cache.json").write_text(json.dumps({"layout": 0, "skipped": {}, "remarks": {}})),
        lambda path: [(path / "cache.json").unlink(), (path / "cache.json").mkdir()],
        lambda path: [(path / "cache.json").unlink(), os.mkfifo(path / "cache.json")],
        lambda path: [(path / "cache.json").unlink(), (path / "cache.json").symlink_to("cache.json")],
        lambda path: [(path / "pixels").unlink(), os.mkfifo(path / "pixels")],
        lambda path: [(path / "pixels").unlink(), (path / "pixels").symlink_to("pixels")],
        shutil.rmtree,
    ],
    ids=[
        *("short", "an image less", "an image more", "no pixels", "no record", "half a record", "another record"),
        *("another version", "a folder", "a pipe", "a loop", "a pipe of pixels", "a loop of pixels", "deleted"),
    ],
)
def test_a_damaged_cache_is_never_used_but_built_again(images, cache_of, tmp_path, damage):
    cache = cache_of(images)
    cache.find_or_build(skip_damaged=False)
    damage(tmp_path / "cache" / cache.key)
    assert cache.find() is None
    assert numbers(cache.find_or_build(skip_damaged=False)) == list(range(20))


def test_a_damaged_image_is_named_with_its_index_and_leaves_nothing(images, cache_of, tmp_path):
    (images / "07.png").write_bytes((images / "07.png").read_bytes()[:45])
    with pytest.raises(ValueError, match=r"images/07\.png \(image 7 of 20\) cannot be decoded: .*set on_error to skip"):
        cache_of(images).find_or_build(skip_damaged=False)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_damaged_images_are_skipped_counted_and_named(images, cache_of, monkeypatch):
    (images / "07.png").write_bytes(b"")
    (images / "09.png").write_bytes(b"<html>")
    said = r"(?s)Skipped 2 of 20 images:\n.*07\.png is empty\n.*09\.png is a web page"
    with pytest.warns(UserWarning, match=said):
        cached = cache_of(images).find_or_build(skip_damaged=True)
    assert numbers(cached) == cached.kept.tolist() == [number for number in range(20) if number not in (7, 9)]
    no_decoding(monkeypatch)
    with pytest.warns(UserWarning, match="Skipped 2 of 20"):
        assert numbers(cache_of(images).find_or_build(skip_damaged=True)) == numbers(cached)


def test_images_that_are_dim_are_kept_counted_and_named_whenever_the_cache_is_opened(images, cache_of):
    for number in (3, 7, 9):
        Image.fromarray(np.full((5, 6), 255, np.uint16)).save(images / f"{number:02}.png")
    said = (
        f"{images}/03.png uses less than 1/16 of the range of values that it declares, the first of 3 that do: scaled "
        "by that range, it comes out nearly black. Save such images with 8 bits, or with values that fill the range."
    )
    for _ in range(2):
        with pytest.warns(UserWarning) as caught:
            assert cache_of(images).find_or_build(skip_damaged=False).pixels[3].unique().tolist() == [1]
        assert [str(warning.message) for warning in caught] == [said]


def test_a_cache_that_left_images_out_is_refused_where_none_is_to_be_skipped(images, cache_of):
    (images / "07.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="Skipped 1"):
        cache_of(images).find_or_build(skip_damaged=True)
    with pytest.raises(ValueError, match=r"07\.png \(image 7 of 20\) is empty"):
        cache_of(images).find_or_build(skip_damaged=False)


def test_no_usable_image_at_all_is_an_error(images, cache_of):
    for path in images.iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError) as raised:
        cache_of(images).find_or_build(skip_damaged=True)
    first = "".join(f"\n  {images}/0{number}.png is empty" for number in range(5))
    assert str(raised.value) == (
        f"None of the 20 images of {images} can be used:{first}\n  and 15 more\n"
        "Replace them, or set root to other images."
    )


def test_a_file_that_cannot_be_read_is_never_skipped(images, cache_of, tmp_path):
    cache = cache_of(images)
    (images / "07.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"07\.png"):
        cache.find_or_build(skip_damaged=True)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_disk_that_is_too_small_is_refused_before_anything_is_decoded(images, cache_of, tmp_path, monkeypatch):
    no_decoding(monkeypatch)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=959))
    with pytest.raises(OSError, match=r"20 images needs 0\.00 GB.*which has 0\.00 GB free\. .*set cache_dir") as raised:
        cache_of(images).find_or_build(skip_damaged=False)
    assert raised.value.errno == errno.ENOSPC
    monkeypatch.undo()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=960))
    assert cache_of(images).find_or_build(skip_damaged=False)


def test_a_disk_that_fills_up_is_one_error_and_leaves_nothing(images, cache_of, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(datamodules.pixel_cache, "sync", full)
    with pytest.raises(OSError, match=r"while it was written.*Free space there, set cache_dir") as raised:
        cache_of(images).find_or_build(skip_damaged=False)
    assert raised.value.errno == errno.ENOSPC
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_another_error_of_the_disk_is_passed_on(images, cache_of, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(datamodules.pixel_cache, "sync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        cache_of(images).find_or_build(skip_damaged=False)


def test_a_folder_that_cannot_be_written_to_is_passed_over_with_a_warning(images, cache_of, tmp_path, monkeypatch):
    (tmp_path / "no folder").write_text("a file stands in the way")
    cache = cache_of(images, folders=("no folder/cache", "elsewhere"))
    with pytest.warns(
        UserWarning, match=r"lies in .*elsewhere, because no files can be made in .*no folder/cache \(Not a directory\)"
    ):
        assert numbers(cache.find_or_build(skip_damaged=False)) == list(range(20))
    no_decoding(monkeypatch)
    assert cache.find_or_build(skip_damaged=False)


def test_a_read_only_folder_is_passed_over(tmp_path, monkeypatch):
    read_only = tmp_path / "read only"
    read_only.mkdir(mode=0o555)
    make_file = tempfile.TemporaryFile

    def denied(dir):  # root may write everywhere
        if dir == read_only:
            raise PermissionError(errno.EACCES, "Permission denied")
        return make_file(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    with pytest.warns(UserWarning, match=r"because no files can be made in .*read only \(Permission denied\)"):
        assert first_writable([read_only, tmp_path / "other"]) == tmp_path / "other"


def test_a_cache_in_a_read_only_folder_is_used(images, cache_of, tmp_path, monkeypatch):
    cache_of(images, folders=("shared",)).find_or_build(skip_damaged=False)
    monkeypatch.setattr(datamodules.pixel_cache, "first_writable", lambda _: pytest.fail("looked for another"))
    assert cache_of(images, folders=("shared", "own")).find_or_build(skip_damaged=False)


def test_no_writable_folder_at_all_is_an_error_that_names_the_cure(images, cache_of, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match=r"because no files can be made in .*file/a .*file/b .*Set cache_dir"):
        cache_of(images, folders=("file/a", "file/b")).find_or_build(skip_damaged=False)


class SlowDecoder(Decoder):
    """Takes a while, and tells which process decodes."""

    def __call__(self, content):
        self.decoding.put(os.getpid())
        time.sleep(self.seconds)
        return super().__call__(content)

    def __repr__(self):
        return repr(Decoder(self.size))


def start(cache, seconds, daemon=True):
    """A process that builds a cache, `seconds` an image; and a queue of the numbers of the processes that decode."""
    decoding = fork.SimpleQueue()
    cache.decoder = SlowDecoder(cache.decoder.size)
    object.__setattr__(cache.decoder, "decoding", decoding)
    object.__setattr__(cache.decoder, "seconds", seconds)
    process = fork.Process(target=cache.find_or_build, args=(False,), daemon=daemon)
    process.start()
    return process, decoding


def test_what_a_killed_process_leaves_is_never_used_and_is_deleted(images, cache_of, tmp_path):
    process, decoding = start(cache_of(images), 60)
    assert decoding.get() == process.pid
    process.kill()
    process.join()
    cache = cache_of(images)
    assert [path.name for path in (tmp_path / "cache").glob("*.partial")] == [f"{cache.key}.partial"]
    assert cache.find() is None
    assert numbers(cache.find_or_build(skip_damaged=False)) == list(range(20))
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [".lock", cache.key]


def is_running(process_id):
    """Whether a process is there, and not just its exit status."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_workers_of_a_killed_process_end(images, cache_of, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(2), raising=False)
    content = (images / "00.png").read_bytes()
    for number in range(1_000):
        (images / f"{number:03}.png").write_bytes(content)
    process, decoding = start(cache_of(images, size=64), 0, daemon=False)  # the results of a chunk fill a pipe
    workers = set()
    while len(workers) < 2:
        workers.add(decoding.get())
    process.kill()
    process.join()
    assert process.pid not in workers
    deadline = time.monotonic() + 20
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(cache_of(images, size=64).find_or_build(skip_damaged=False).pixels) == 1_020


def test_one_of_two_processes_builds_and_the_other_waits_for_it(images, cache_of):
    first, by_first = start(cache_of(images), 0.05)
    by_first.get()
    second, by_second = start(cache_of(images), 0.05)
    for process in (first, second):
        process.join(60)
        assert process.exitcode == 0
    assert by_second.empty()
    assert numbers(cache_of(images).find()) == list(range(20))


def test_a_process_that_waited_uses_what_the_other_built(images, cache_of, tmp_path, monkeypatch):
    cache = cache_of(images)
    finds = iter([None])
    monkeypatch.setattr(cache, "find", lambda: next(finds))
    cache_of(images).find_or_build(skip_damaged=False)  # between the look and the lock
    no_decoding(monkeypatch)
    assert numbers(cache.find_or_build(skip_damaged=False)) == list(range(20))


def test_waiting_is_announced(images, cache_of, tmp_path, monkeypatch):
    said = []
    (tmp_path / "cache").mkdir()
    lock = FileLock(tmp_path / "cache" / ".lock", is_singleton=False)
    lock.acquire()

    def say(message):
        said.append(message)
        lock.release()

    monkeypatch.setattr(datamodules.pixel_cache, "rank_zero_info", say)
    cache_of(images).find_or_build(skip_damaged=False)
    assert said[0].startswith("Waiting for another process, which is making the cache")


def test_names_that_are_no_text_can_be_cached(tmp_path, cache_of):
    folder = tmp_path / "bilder Ü 人"
    folder.mkdir()
    pixels = np.zeros((4, 4, 3), np.uint8)
    for name in (b"caf\xe9.png", "naïve 画.png".encode(), b"a b.png"):
        Image.fromarray(pixels).save(os.fsdecode(os.fsencode(folder) + b"/" + name))
    (folder / "broken ü.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="Skipped 1 of 4"):
        assert len(cache_of(folder).find_or_build(skip_damaged=True).pixels) == 3
