import builtins
import errno
import io
import multiprocessing
import os
import pickle
import re
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from datamodules.sources import FolderSource, TarSource, ZipSource, open_source

FILES = {"a/1.jpg": b"one", "a/Zwei ü.PNG": b"two", "b c/3.webp": b"three", "4.gif": b"four"}
OTHERS = ("readme.txt", ".hidden.jpg", ".gan_lightning_cache/x.jpg", "a/__MACOSX/1.jpg", "__MACOSX/._1.jpg", "a/jpg")


def write_folder(path):
    for name, content in {**FILES, **dict.fromkeys(OTHERS, b"")}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_zip(path, files=FILES, others=OTHERS):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/", b"")
        for name, content in {**files, **dict.fromkeys(others, b"")}.items():
            archive.writestr(name, content)
    return path


def write_tar(path, files=FILES, others=OTHERS, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in {**files, **dict.fromkeys(others, b"")}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(params=["folder", "zip", "tar"])
def source(request, tmp_path):
    """The same files in each kind of source."""
    path = tmp_path / f"my images ü.{request.param}"
    return open_source({"folder": write_folder, "zip": write_zip, "tar": write_tar}[request.param](path))


def test_every_source_lists_and_reads_the_images_alone(source):
    assert list(source.files) == sorted(FILES)
    assert {name: source.read(name) for name in source.files} == FILES
    assert {name: file.size for name, file in source.files.items()} == {k: len(v) for k, v in FILES.items()}


def test_a_source_can_be_read_in_another_process(source):
    assert list(pickle.loads(pickle.dumps(source)).files) == list(source.files)
    name = next(iter(FILES))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(source.read, [name] * 50) == [FILES[name]] * 50
    assert source.read(name) == FILES[name]


def test_fingerprint_stays_until_a_file_changes(tmp_path):
    folder = write_folder(tmp_path / "images")
    seen = [FolderSource(folder).fingerprint]
    (folder / "readme.txt").write_text("not an image")
    assert FolderSource(folder).fingerprint == seen[0]
    (folder / "4.gif").write_bytes(b"FOUR")  # as many bytes
    os.utime(folder / "4.gif", ns=(1, 1))
    seen.append(FolderSource(folder).fingerprint)
    (folder / "4.gif").rename(folder / "5.gif")
    seen.append(FolderSource(folder).fingerprint)
    assert len(set(seen)) == 3


def test_fingerprint_of_a_zip_is_that_of_its_content(tmp_path):
    first, again = (ZipSource(write_zip(tmp_path / name)) for name in ("first.zip", "again.zip"))
    other = ZipSource(write_zip(tmp_path / "other.zip", {**FILES, "4.gif": b"FOUR"}))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_links_are_followed_and_loops_are_not(tmp_path):
    folder = write_folder(tmp_path / "images")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "5.jpg").write_bytes(b"five")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    assert sorted(FolderSource(folder).files) == sorted([*FILES, "linked/5.jpg"])


def link(path):
    path.symlink_to("absent.jpg")


def link_into_a_file(path):
    (path.parent / "file").write_bytes(b"")
    path.symlink_to(path.parent / "file" / "x.jpg")


def loop(path):
    path.symlink_to(path)


ODD = {
    "link": (link, r"is a link to absent\.jpg, which is not there$"),
    "link into a file": (link_into_a_file, r"is a link to .*/file/x\.jpg, which is not there$"),
    "loop": (loop, "is a link that leads back to itself, not a file$"),
    "pipe": (os.mkfifo, "is a named pipe, not a regular file$"),
    "folder": (Path.mkdir, "is a folder, not a regular file$"),
}
every_odd_place = pytest.mark.parametrize(("make", "said"), ODD.values(), ids=ODD)


@every_odd_place
def test_what_has_the_name_of_an_image_and_is_none_is_a_fault_and_never_opened(tmp_path, make, said):
    folder = write_folder(tmp_path / "images")
    make(folder / "a" / "odd.jpg")
    source = FolderSource(folder)
    assert list(source.files) == sorted(FILES)
    (fault,) = source.faults
    assert re.search(f"^{folder}/a/odd\\.jpg {said}", fault)
    with pytest.raises(ValueError, match=f"^{said}"):
        source.read("a/odd.jpg")


def test_images_in_a_folder_that_is_called_like_an_image_are_not_read(tmp_path):
    folder = write_folder(tmp_path / "images")
    (folder / "b c").rename(folder / "b.png")
    source = FolderSource(folder)
    assert list(source.files) == [name for name in sorted(FILES) if not name.startswith("b c")]
    assert source.faults == (f"{folder}/b.png is a folder, not a regular file",)


def test_a_fault_that_is_mended_changes_the_fingerprint(tmp_path):
    folder = write_folder(tmp_path / "images")
    (folder / "odd.jpg").symlink_to("real.data")
    before = FolderSource(folder).fingerprint
    (folder / "real.data").write_bytes(b"now there")
    assert FolderSource(folder).faults == ()
    assert FolderSource(folder).fingerprint != before


@every_odd_place
@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_an_archive_that_is_no_file_is_refused_and_never_opened(tmp_path, name, make, said):
    if make is Path.mkdir:
        pytest.skip("a folder of any name is a source")
    make(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} {said[:-1]}\. Set root to a folder, or to a \.zip"):
        open_source(tmp_path / name)


@pytest.fixture
def denied(monkeypatch):
    """Refuses to open paths that end so; root may read all."""

    def deny(end):
        def refuse(function):
            def call(path, *args, **kwargs):
                if str(path).endswith(end):
                    raise PermissionError(errno.EACCES, "Permission denied", str(path))
                return function(path, *args, **kwargs)

            return call

        for owner, name in ((builtins, "open"), (io, "open"), (tarfile, "bltn_open"), (os, "scandir")):
            monkeypatch.setattr(owner, name, refuse(getattr(owner, name)))

    return deny


CURE = "cannot be read: permission denied. Give your user the permission, for example with chmod u+rX, or move it away."


@pytest.mark.parametrize("end", ["a/1.jpg", "b c"])
def test_a_file_or_folder_without_permission_is_named_with_the_cure(tmp_path, denied, end):
    folder = write_folder(tmp_path / "images")
    denied(end)
    with pytest.raises(PermissionError) as raised:
        [FolderSource(folder).read(name) for name in FolderSource(folder).files]
    assert str(raised.value) == f"{folder}/{end} {CURE}"


def test_a_file_that_may_not_be_looked_at_is_named_with_the_cure(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "images")
    look = os.stat

    def refuse(path, *args, **kwargs):
        if str(path).endswith("a/1.jpg"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(PermissionError) as raised:
        _ = FolderSource(folder).files
    assert str(raised.value) == f"{folder}/a/1.jpg {CURE}"


@pytest.mark.parametrize(("write", "name"), [(write_zip, "x.zip"), (write_tar, "x.tar")])
def test_an_archive_without_permission_is_named_with_the_cure(tmp_path, denied, write, name):
    path = write(tmp_path / name)
    denied(name)
    with pytest.raises(PermissionError) as raised:
        open_source(path)
    assert str(raised.value) == f"{path} {CURE}"


@pytest.mark.parametrize("name", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "C:\\evil.jpg", "..\\evil.jpg"])
@pytest.mark.parametrize(("write", "suffix"), [(write_zip, "zip"), (write_tar, "tar")])
def test_an_archive_with_a_member_that_points_out_of_it_is_refused(tmp_path, write, suffix, name):
    path = write(tmp_path / f"evil.{suffix}", {**FILES, name: b"evil"})
    with pytest.raises(ValueError, match=rf"evil\.{suffix} was refused: its member .*evil\.jpg' points out"):
        open_source(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "is a link within the archive, not a regular file"),
        (tarfile.LNKTYPE, "is a link within the archive, not a regular file"),
        (tarfile.FIFOTYPE, "is no regular file"),
        (tarfile.DIRTYPE, "is no regular file"),
    ],
)
def test_what_is_no_file_in_a_tar_is_a_fault(tmp_path, kind, said):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        odd = tarfile.TarInfo("passwd.jpg")
        odd.type, odd.linkname = kind, "/etc/passwd"
        archive.addfile(odd)
    source = TarSource(tmp_path / "x.tar")
    assert (source.files, source.faults) == ({}, (f"{tmp_path}/x.tar/passwd.jpg {said}",))


def test_a_link_in_a_zip_is_a_fault(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        odd = zipfile.ZipInfo("passwd.jpg")
        odd.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(odd, "/etc/passwd")
    source = ZipSource(tmp_path / "x.zip")
    said = "is a link within the archive, not a regular file"
    assert (source.files, source.faults) == ({}, (f"{tmp_path}/x.zip/passwd.jpg {said}",))


def test_members_of_a_tar_of_the_folder_itself_lose_the_dot(tmp_path):
    source = TarSource(write_tar(tmp_path / "x.tar", {"./a/1.jpg": b"one"}, ()))
    assert {name: source.read(name) for name in source.files} == {"a/1.jpg": b"one"}


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"<html>quota exceeded</html>", "a web page"), (b"PK\3\4 and no more", "a damaged zip archive of 16 bytes")],
)
def test_a_file_that_is_no_zip_is_described(tmp_path, content, found):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.zip is {found}.*Download or copy the archive again"):
        open_source(tmp_path / "x.zip")


def test_a_member_that_is_damaged_within_the_zip_is_described(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"1.jpg": b"first" * 90, "2.jpg": b"second" * 90}, ())
    content = bytearray(path.read_bytes())
    content[content.index(b"1.jpg") + 7] ^= 0xFF
    path.write_bytes(content)
    source = open_source(path)
    with pytest.raises(ValueError, match=r"^is damaged within the archive: "):
        source.read("1.jpg")
    assert source.read("2.jpg") == b"second" * 90


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_is_damaged_however_it_is_compressed(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("1.jpg", bytes(range(256)) * 40)
    content = bytearray((tmp_path / "x.zip").read_bytes())
    content[60:90] = bytes(30)
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"^is damaged within the archive: "):
        open_source(tmp_path / "x.zip").read("1.jpg")


def test_a_member_that_is_said_to_lie_outside_of_the_zip_is_damaged(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"1.jpg": b"x"}, ())
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\5\6") + 16] += 100  # where the directory is said to begin
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^is damaged within the archive: "):
        open_source(path).read("1.jpg")


def test_an_error_of_the_disk_is_no_damage(tmp_path, monkeypatch):
    source = open_source(write_zip(tmp_path / "x.zip"))

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(source.archive, "read", fail)
    with pytest.raises(OSError, match="Input/output error"):
        source.read("4.gif")


def test_a_zip_of_a_version_that_does_not_exist_is_damaged(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"1.jpg": b"x"}, ())
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\1\2") + 6] = 250
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.zip is a damaged zip archive of .* \(zip .* 25\.0\)\. Download"):
        open_source(path)


def test_an_encrypted_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"1.jpg": b"x"}, ())
    content = path.read_bytes()
    place = content.rindex(b"PK\1\2") + 8  # the flags of the last member in the directory
    path.write_bytes(content[:place] + b"\1" + content[place + 1 :])
    with pytest.raises(ValueError, match=r"x\.zip is encrypted\. Extract it"):
        open_source(path)


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz"])
def test_a_compressed_tar_is_refused_with_the_cure(tmp_path, name):
    write_tar(tmp_path / name, mode="w:gz")
    with pytest.raises(ValueError, match=r"has no index; extract it .* or pack the images as \.zip"):
        open_source(tmp_path / name)


def test_a_path_without_images_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent is missing"):
        open_source(tmp_path / "absent")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="file/x is missing"):
        open_source(tmp_path / "file" / "x")
    (tmp_path / "x.rar").write_bytes(b"")
    with pytest.raises(ValueError, match=r"x\.rar is neither a folder nor a \.zip or \.tar"):
        open_source(tmp_path / "x.rar")
