import hashlib
import io
import pickle
import tarfile
from urllib.error import URLError

import pytest
import torch
import torchvision

import datamodules.cifar10
from datamodules.cifar10 import BINARY, PYTHON, CIFAR10DataModule, decode_python

FIRST, LAST = "data_batch_1.bin", "test_batch.bin"
HTML = b"<!DOCTYPE html><html><body>403 Forbidden</body></html>"
PER_FILE = 10


def string(content):
    """A string in a pickle of Python 2, in which the published files are."""
    return b"T" + len(content).to_bytes(4, "little") + content


def python2_pickle(records):
    """A file of the Python form, as Python 2 wrote it."""
    rows = len(records).to_bytes(1, "little")
    pixels = b"".join(bytes(record[1:]) for record in records.tolist())
    dtype = b"cnumpy\ndtype\n(" + string(b"u1") + b"K\x00K\x01tR(K\x03" + string(b"|")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + string(b"b") + b"tR"
    array += b"(K\x01(K" + rows + b"M\x00\x0ct" + dtype + b"I00\n" + string(pixels) + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in records[:, 0].tolist()) + b"e"
    return b"\x80\x02}(" + string(b"labels") + labels + string(b"data") + array + b"u."


def tar_gz(folder, contents):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def records():
    """(60, 3073) labels and pixels of a small set."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (6 * PER_FILE, 3072), generator=generator)
    labels = torch.randint(10, (6 * PER_FILE, 1), generator=generator)
    return torch.cat([labels, pixels], dim=1).byte()


@pytest.fixture
def published(records, monkeypatch):
    """The archives of the small set by name; its checksums stand in for the published ones."""
    parts = records.split(PER_FILE)
    archives = {}
    for name, form, write in (("BINARY", BINARY, lambda r: r.numpy().tobytes()), ("PYTHON", PYTHON, python2_pickle)):
        contents = {file: write(part) for file, part in zip(form.md5s, parts, strict=True)}
        archives[form.archive] = tar_gz(form.folder, {**contents, "readme.html": HTML})
        md5s = {file: md5(content) for file, content in contents.items()}
        monkeypatch.setattr(
            datamodules.cifar10, name, form._replace(archive_md5=md5(archives[form.archive]), md5s=md5s)
        )
    return archives


def unpacked(root, published, form):
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(published[form.archive])) as tar:
        tar.extractall(root, filter="data")
    return root


@pytest.fixture
def drawn_cifar10(tmp_path, published):
    """Root of the small set in the binary form."""
    return unpacked(tmp_path / "drawn", published, BINARY)


@pytest.fixture
def server(published, monkeypatch):
    """Serves the archives to torchvision; a test may change them."""

    def urlopen(request):
        response = io.BytesIO(published[request.full_url.rsplit("/", 1)[1]])
        response.url, response.length = request.full_url, len(response.getvalue())
        return response

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return published


def drawn(root, **kwargs):
    return CIFAR10DataModule(str(root), **{"val_size": 12, "batch_size": 8, **kwargs})


@pytest.mark.parametrize("argument", [{"val_size": 0}, {"val_size": 50_000}, {"batch_size": 0}])
def test_numbers_are_checked_at_construction(argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))} is .* must be"):
        CIFAR10DataModule(**argument)


def test_nothing_is_touched_at_construction(tmp_path):
    data = CIFAR10DataModule(str(tmp_path / "absent"))
    assert (data.image_shape, data.num_classes) == ((3, 32, 32), 10)
    assert data.fingerprint.startswith("cifar10-32px-")
    assert not (tmp_path / "absent").exists()


def test_checksums_of_the_python_form_are_those_of_torchvision():
    theirs = torchvision.datasets.CIFAR10
    assert list(PYTHON.md5s.items()) == [tuple(entry) for entry in theirs.train_list + theirs.test_list]
    assert (PYTHON.archive, PYTHON.archive_md5, PYTHON.folder) == (theirs.filename, theirs.tgz_md5, theirs.base_folder)
    assert datamodules.cifar10.URL + PYTHON.archive == theirs.url


@pytest.mark.parametrize("form", [BINARY, PYTHON], ids=["binary", "python"])
def test_pixels_and_labels_are_the_records_of_the_files_in_order(tmp_path, published, records, form):
    data = drawn(unpacked(tmp_path, published, form))
    test = data.dataset("test")
    assert torch.equal(test.pixels.flatten(1), records[5 * PER_FILE :, 1:])
    assert torch.equal(test.labels, records[5 * PER_FILE :, 0].long())
    assert test.pixels[3, 1, 2, 5] == records[53, 1 + 1024 + 2 * 32 + 5]


def test_the_python_form_is_read_as_torchvision_reads_it(tmp_path, published, monkeypatch):
    data = drawn(unpacked(tmp_path, published, PYTHON))
    *train, test = datamodules.cifar10.PYTHON.md5s.items()
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "train_list", train)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "test_list", [test])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_load_meta", lambda _: None)
    expected = torchvision.datasets.CIFAR10(str(tmp_path), train=False)
    assert torch.equal(data.dataset("test").pixels, torch.from_numpy(expected.data).permute(0, 3, 1, 2))
    assert data.dataset("test").labels.tolist() == expected.targets


def test_training_and_validation_part_the_training_files(drawn_cifar10, records):
    data = drawn(drawn_cifar10)
    train, val, test = (data.dataset(split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (38, 12, 10)
    found = [
        (label, *image)
        for dataset in (train, val)
        for image, label in zip(dataset.pixels.flatten(1).tolist(), dataset.labels.tolist(), strict=True)
    ]
    assert sorted(found) == sorted(map(tuple, records[: 5 * PER_FILE].tolist()))


def test_both_forms_make_the_same_splits_under_one_fingerprint(tmp_path, published):
    binary, python = (drawn(unpacked(tmp_path / form.folder, published, form)) for form in (BINARY, PYTHON))
    assert python.folder.name == "cifar-10-batches-py"
    for split in ("train", "val", "test"):
        assert torch.equal(binary.dataset(split).pixels, python.dataset(split).pixels)
        assert torch.equal(binary.dataset(split).labels, python.dataset(split).labels)
    assert binary.fingerprint == python.fingerprint


def test_of_both_forms_the_complete_one_is_read(drawn_cifar10, published):
    unpacked(drawn_cifar10, published, PYTHON)
    assert drawn(drawn_cifar10).folder.name == "cifar-10-batches-bin"
    (drawn_cifar10 / BINARY.folder / FIRST).unlink()
    assert drawn(drawn_cifar10).folder.name == "cifar-10-batches-py"


def test_missing_file_is_named(drawn_cifar10):
    (drawn_cifar10 / BINARY.folder / FIRST).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{FIRST} is missing.*prepare_data"):
        drawn(drawn_cifar10).setup("fit")


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda _: HTML, "54 bytes .*a web page .*403"),
        (lambda content: content[:-1], "30,729 bytes"),
        (lambda content: content[::-1], "30,730 bytes"),
        (lambda _: b"", "0 bytes"),
    ],
    ids=["web page", "truncated", "other content", "empty"],
)
def test_damaged_file_is_named_and_left_alone(drawn_cifar10, damage, found):
    path = drawn_cifar10 / BINARY.folder / FIRST
    content = damage(path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{FIRST} holds {found}.*should be the published {FIRST}.*Move the file"):
        drawn(drawn_cifar10).setup("fit")
    assert path.read_bytes() == content
    drawn(drawn_cifar10).setup("test")


def test_a_pickle_runs_no_code(tmp_path):
    content = b"cbuiltins\nopen\n(" + string(str(tmp_path / "made").encode()) + string(b"w") + b"tR."
    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.open has no place"):
        decode_python(content)
    assert not (tmp_path / "made").exists()


def test_files_that_are_there_are_not_downloaded(drawn_cifar10, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_: pytest.fail("network"))
    drawn(drawn_cifar10).prepare_data()
    assert len(drawn(drawn_cifar10).dataset("train")) == 38


@pytest.mark.parametrize("form", [BINARY, PYTHON], ids=["binary", "python"])
def test_an_archive_that_is_there_is_unpacked(tmp_path, published, form, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_: pytest.fail("network"))
    (tmp_path / form.archive).write_bytes(published[form.archive])
    drawn(tmp_path, download=False).prepare_data()
    assert len(drawn(tmp_path).dataset("train")) == 38
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {form.archive, *form.md5s}


def test_damaged_archive_is_named(tmp_path, published):
    (tmp_path / BINARY.archive).write_bytes(published[BINARY.archive][:999])
    with pytest.raises(ValueError, match=rf"{BINARY.archive} holds 999 bytes .*Move the file away"):
        drawn(tmp_path).prepare_data()
    assert [path.name for path in tmp_path.iterdir()] == [BINARY.archive]


def test_download_brings_what_is_read(server, drawn_cifar10, tmp_path):
    data = drawn(tmp_path / "new" / "root")
    data.prepare_data()
    assert torch.equal(data.dataset("train").pixels, drawn(drawn_cifar10).dataset("train").pixels)
    assert {path.name for path in (tmp_path / "new").rglob("*") if path.is_file()} == set(BINARY.md5s)


def test_download_leaves_the_files_that_are_there(server, drawn_cifar10):
    folder = drawn_cifar10 / BINARY.folder
    (folder / FIRST).write_bytes(b"mine")
    (folder / LAST).unlink()
    drawn(drawn_cifar10).prepare_data()
    assert (folder / FIRST).read_bytes() == b"mine"
    assert (folder / LAST).is_file()


def test_without_download_missing_files_are_named(tmp_path, published):
    with pytest.raises(FileNotFoundError, match=rf"lacks {FIRST}, .*{BINARY.archive}.*set download to true"):
        drawn(tmp_path / "absent", download=False).prepare_data()
    assert not (tmp_path / "absent").exists()


def test_no_network_is_one_error_and_leaves_nothing(tmp_path, published, monkeypatch):
    def offline(*_):
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(ConnectionError, match=rf"(?s)absent: .*name resolution.*copy {BINARY.archive} or"):
        drawn(tmp_path / "absent").prepare_data()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sent", [HTML, b""], ids=["web page", "empty"])
def test_failed_download_leaves_nothing(server, tmp_path, sent):
    server[BINARY.archive] = sent
    with pytest.raises(ConnectionError, match=r"could not be downloaded to .*absent"):
        drawn(tmp_path / "absent").prepare_data()
    assert not list(tmp_path.iterdir())


def test_a_check_names_what_is_missing_and_what_is_damaged(drawn_cifar10):
    assert drawn(drawn_cifar10).check().ok
    (drawn_cifar10 / BINARY.folder / LAST).unlink()
    (drawn_cifar10 / BINARY.folder / FIRST).write_bytes(HTML)
    found = drawn(drawn_cifar10).check()
    assert not found.ok
    assert LAST in found.missing[0]
    assert FIRST in found.damaged[0]
