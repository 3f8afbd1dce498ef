"""Archives are unpacked file by file and never leave half of one."""

import os

import pytest

from ipixmatch_jax.data.downloads import unpack as module
from ipixmatch_jax.data.downloads.unpack import unpack
from tests.data.prepare import downloads

FILES = {
    "set/images/a.jpg": b"aaaa",
    "set/images/b.jpg": b"bbbbb",
    "set/other/c.jpg": b"c",
    "__MACOSX/set/images/d.jpg": b"d",
}


def write(folder, ending):
    path = folder / f"set{ending}"
    if ending == ".zip":
        downloads.zipped(path, FILES)
    else:
        downloads.tarred(path, FILES, "w:gz" if ending == ".tgz" else "w")
    return path


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in found
    }


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tgz"])
def test_the_wanted_files_are_written(tmp_path, ending):
    archive, out = write(tmp_path, ending), tmp_path / "out"
    unpack(archive, out, ("/images/",))
    wanted = ("set/images/a.jpg", "set/images/b.jpg")
    assert files(out) == {name: FILES[name] for name in wanted}


@pytest.mark.parametrize("ending", [".zip", ".tgz"])
def test_it_goes_on_where_it_was_stopped(tmp_path, ending, monkeypatch):
    archive, out = write(tmp_path, ending), tmp_path / "out"
    copied = []

    def stop(source, file):
        if copied:
            file.write(source.read(2))  # A part of the second file.
            raise KeyboardInterrupt
        copied.append(file.write(source.read()))

    monkeypatch.setattr(module.shutil, "copyfileobj", stop)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, out, ("/images/",))
    assert files(out) == {"set/images/a.jpg": b"aaaa"}
    monkeypatch.undo()
    os.utime(out / "set/images/a.jpg", (1, 1))
    unpack(archive, out, ("/images/",))
    assert len(files(out)) == 2
    assert (out / "set/images/a.jpg").stat().st_mtime == 1  # Kept as it was.
    (out / "set/images/a.jpg").write_bytes(b"aa")  # Cut short by others.
    unpack(archive, out, ("/images/",))
    assert files(out)["set/images/a.jpg"] == b"aaaa"


@pytest.mark.parametrize("name", ["../images/a.jpg", "/tmp/images/a.jpg"])
def test_a_path_out_of_the_folder_is_refused(tmp_path, name):
    downloads.zipped(tmp_path / "z.zip", {name: b"a"})
    with pytest.raises(ValueError, match=r"z.zip: .*a.jpg leads out of"):
        unpack(tmp_path / "z.zip", tmp_path / "out", ("/images/",))


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tgz"])
@pytest.mark.parametrize("share", [0.17, 0])
def test_a_damaged_archive_is_named(tmp_path, ending, share):
    archive = write(tmp_path, ending)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)] or b"<html>")
    with pytest.raises(ValueError, match=rf"set\{ending} is damaged, cut off"):
        unpack(archive, tmp_path / "out", ("/images/",))
