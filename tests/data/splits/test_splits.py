import fractions
import functools
import http.server
import os
import pathlib
import threading

import pytest
import requests

from ipixmatch_jax.data.datasets import voc
from ipixmatch_jax.data.files.split_list import read_list
from ipixmatch_jax.data.splits import __main__ as splits_main
from ipixmatch_jax.data.splits import complete, download, draw, published


def test_read_list_columns_and_final_newline(tmp_path):
    path = tmp_path / "list.txt"
    for end in ("", "\n", "\r\n"):
        path.write_text("a.jpg b.png\nc.jpg None\nd.jpg" + end)
        assert read_list(path) == [
            ("a.jpg", "b.png"),
            ("c.jpg", None),
            ("d.jpg", None),
        ]


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ("a.jpg,b.png", ("a.jpg", "b.png")),
        ("a.jpg, b.png", ("a.jpg", "b.png")),
        ("a.jpg ,b.png", ("a.jpg", "b.png")),
        ("my photo.jpg, my mask.png", ("my photo.jpg", "my mask.png")),
        ("a,b.jpg c.png", ("a,b.jpg", "c.png")),
        ("a.jpg\tb.png", ("a.jpg", "b.png")),
    ],
)
def test_a_comma_may_stand_between_the_columns(line, pair, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(line + "\n")
    assert read_list(path) == [pair]


@pytest.mark.parametrize(
    "line", ["../x.jpg m.png", "x.jpg a/../../m.png", "/x.jpg"]
)
def test_a_path_out_of_the_root_is_refused(tmp_path, line):
    path = tmp_path / "list.txt"
    path.write_text("a.jpg b.png\n" + line)
    with pytest.raises(ValueError, match=r"line 2: .* leads out of the root"):
        read_list(path)


def test_malformed_lists_are_refused(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("my photo.jpg mask.png\n")
    with pytest.raises(
        ValueError, match="got 3 columns; where names hold spaces, put a comma"
    ):
        read_list(path)
    path.write_text("\n")
    with pytest.raises(ValueError, match="names no images"):
        read_list(path)
    with pytest.raises(FileNotFoundError, match="splits download"):
        read_list(tmp_path / "gone.txt")


def test_published_lists_have_their_line_counts(published_splits):
    assert len(published.UNIMATCH) == 35
    for name, (lines, _) in published.UNIMATCH.items():
        assert len(read_list(published_splits / name)) == lines, name


def test_published_counts_of_the_large_sets_fit_together():
    """20,210 and 118,287 training images, as their authors count them."""
    lists = published.UNIMATCH_V2
    for k in (2, 4, 8, 16, 32, 64):
        labelled, _ = lists[f"ade20k/1_{k}/labeled.txt"]
        rest, _ = lists[f"ade20k/1_{k}/unlabeled.txt"]
        assert labelled + rest == 20210
        assert abs(labelled - 20210 / k) < 1
    for k in (32, 64, 128, 256, 512):
        labelled, _ = lists[f"coco/1_{k}/labeled.txt"]
        assert abs(labelled - 118287 / k) < 1.1
    assert lists["ade20k/val.txt"][0] == 2000
    assert lists["coco/val.txt"][0] == 5000
    assert all(len(sha256) == 64 for _, sha256 in lists.values())


def test_published_splits_partition_the_train_sets(published_splits):
    def images(name):
        return {image for image, _ in read_list(published_splits / name)}

    unions = {"pascal": images("pascal/train_aug.txt")}
    for name in published.UNIMATCH:
        data_set, *split = name.split("/")
        if len(split) < 2 or split[1] != "labeled.txt":
            continue
        labelled = images(name)
        unlabelled = images(name.replace("labeled", "unlabeled"))
        assert not labelled & unlabelled
        union = unions.setdefault(data_set, labelled | unlabelled)
        assert labelled | unlabelled == union
    assert [len(unions[k]) for k in ("pascal", "cityscapes")] == [10582, 2975]
    for data_set, union in unions.items():
        assert not union & images(f"{data_set}/val.txt")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Serves a folder; yields a function from folder to address."""
    servers = []

    def start(folder):
        handler = functools.partial(_Quiet, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_download_writes_the_published_lists(published_splits, serve, tmp_path):
    sources = {serve(published_splits): published.UNIMATCH}
    paths = download.download_lists(tmp_path, sources=sources)
    assert len(paths) == 35
    for path in paths:
        name = path.relative_to(tmp_path)
        assert path.read_bytes() == (published_splits / name).read_bytes()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 35


def test_download_refuses_a_changed_list_and_writes_nothing(serve, tmp_path):
    served, out = tmp_path / "served", tmp_path / "out"
    served.mkdir()
    (served / "good.txt").write_bytes(b"")
    (served / "bad.txt").write_bytes(b"a b\n")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    lists = {"good.txt": (0, empty), "bad.txt": (1, empty)}
    sources = {serve(served): lists}
    with pytest.raises(ValueError, match=r"bad.txt is not the published list"):
        download.download_lists(out, sources=sources)
    (served / "bad.txt").unlink()
    with pytest.raises(ConnectionError, match=r"bad.txt \(HTTP status 404"):
        download.download_lists(out, sources=sources)
    assert not out.exists()


def test_download_of_one_data_set_alone(serve, tmp_path):
    served = tmp_path / "served"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for name in ("pond", "lake"):
        (served / name).mkdir(parents=True)
        (served / name / "val.txt").touch()
    sources = {
        serve(served): {"pond/val.txt": (0, empty)},
        serve(served / "lake"): {"lake/val.txt": (0, empty)},  # Not there.
    }
    paths = download.download_lists(tmp_path / "out", ("pond",), sources)
    assert paths == [tmp_path / "out/pond/val.txt"]
    assert download.list_folders() == ("cityscapes", "pascal", "ade20k", "coco")


def test_download_offline_is_one_sentence(tmp_path, monkeypatch, capsys):
    def offline(*_, **__):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "get", offline)
    with pytest.raises(SystemExit):
        splits_main.main(["download", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    (line,) = said.splitlines()
    assert "Cannot fetch https://" in line and "no route" not in line
    assert f"download it by hand to {tmp_path}/out/" in line
    assert not (tmp_path / "out").exists()


def _root(folder, images):
    folder.mkdir()
    lines = [f"train/{i}.jpg trainannot/{i}.png\n" for i in range(images)]
    (folder / "train.txt").write_text("".join(lines))
    (folder / "val.txt").write_text("val/0.jpg valannot/0.png\n")
    return folder


@pytest.mark.parametrize(
    ("images", "share", "labelled"),
    [
        (367, "1/8", 46),
        (20, "1/8", 3),
        (10, "1/4", 3),
        (9, "1/4", 2),
        (5, "1/16", 1),
    ],
)
def test_make_rounds_to_nearest_half_up_at_least_one(
    tmp_path, images, share, labelled
):
    root = _root(tmp_path / "root", images)
    out = tmp_path / "out"
    share = fractions.Fraction(share)
    assert draw.draw_splits(root, share, 0, out) == (
        labelled,
        images - labelled,
    )
    folder = out / f"1_{share.denominator}"
    some = read_list(folder / "labeled.txt")
    rest = read_list(folder / "unlabeled.txt")
    assert len(some) == labelled
    assert sorted(some + rest) == sorted(read_list(root / "train.txt"))
    assert read_list(out / "val.txt") == read_list(root / "val.txt")


def test_make_is_deterministic_and_nested(tmp_path):
    root = _root(tmp_path / "root", 100)

    def drawn(share, seed, out):
        draw.draw_splits(root, fractions.Fraction(share), seed, tmp_path / out)
        name = share.replace("/", "_")
        return set(read_list(tmp_path / out / name / "labeled.txt"))

    sixteenth = drawn("1/16", 0, "a")
    assert sixteenth == drawn("1/16", 0, "b")
    assert sixteenth < drawn("1/8", 0, "a") < drawn("1/2", 0, "a")
    assert sixteenth != drawn("1/16", 1, "c")


def test_make_reads_voc_and_cityscapes_roots(voc_mini, tmp_path):
    splits_main.main(
        [
            "make",
            "--root",
            str(voc_mini),
            "--labelled",
            "1/5",
            "--out",
            str(tmp_path / "voc"),
        ]
    )
    entries = read_list(tmp_path / "voc/1_5/labeled.txt")
    assert len(entries) == 4
    for image, mask in entries:
        assert (voc_mini / image).is_file() and (voc_mini / mask).is_file()

    root = tmp_path / "cityscapes"
    for part in ("train", "val"):
        folder = root / "leftImg8bit" / part / "ulm"
        folder.mkdir(parents=True)
        for i in range(4):
            (folder / f"ulm_{i}_leftImg8bit.png").touch()
    draw.draw_splits(root, fractions.Fraction(1, 2), 0, tmp_path / "out")
    assert read_list(tmp_path / "out/val.txt")[1] == (
        "leftImg8bit/val/ulm/ulm_1_leftImg8bit.png",
        "gtFine/val/ulm/ulm_1_gtFine_labelTrainIds.png",
    )
    assert len(read_list(tmp_path / "out/1_2/labeled.txt")) == 2


def test_make_says_where_the_lists_are_and_how_to_use_them(tmp_path, capsys):
    root, out = _root(tmp_path / "root", 8), tmp_path / "mine"
    splits_main.main(
        ["make", f"--root={root}", "--labelled=1/4", f"--out={out}"]
    )
    said = capsys.readouterr().out
    assert f"2 labelled and 6 unlabelled images are listed in {out}/1_4" in said
    assert f"--config.data.splits_dir={out} --config.data.split=1_4" in said


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--labelled=half", "'half' is not a fraction such as 1/8"),
        ("--labelled=1/0", "'1/0' is not a fraction such as 1/8"),
        ("--seed=a", "'a' is not a whole number"),
    ],
)
def test_make_says_what_a_number_is(option, words, tmp_path, capsys):
    given = ["--labelled=1/8", f"--root={tmp_path}", "--out=out", option]
    with pytest.raises(SystemExit):
        splits_main.main(["make", *given])
    assert words in capsys.readouterr().err


def test_make_refuses_bad_roots_and_shares(tmp_path, capsys):
    root = _root(tmp_path / "root", 3)
    for share, message in (("3/2", "between 0 and 1"), ("9/10", "leaves none")):
        with pytest.raises(SystemExit):
            splits_main.main(
                [
                    "make",
                    "--root",
                    str(root),
                    "--labelled",
                    share,
                    "--out",
                    str(tmp_path / "out"),
                ]
            )
        assert message in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match=r"train.txt \(CamVid\)"):
        draw.draw_splits(
            tmp_path, fractions.Fraction(1, 2), 0, tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_not_utf_8_cannot_be_listed(tmp_path):
    for part in ("train", "val"):
        folder = tmp_path / "leftImg8bit" / part / "ulm"
        folder.mkdir(parents=True)
        for i in range(4):
            name = b"Stra\xdfe_%d_leftImg8bit.png" % i
            pathlib.Path(folder, os.fsdecode(name)).touch()
    with pytest.raises(ValueError, match=r"Stra\\xdfe_.* not UTF-8"):
        draw.draw_splits(tmp_path, fractions.Fraction(1, 2), 0, tmp_path / "o")


@pytest.mark.parametrize("content", [b"a\nStra\xdfe\n", b"\xff\xfea\x00"])
def test_vocs_own_list_in_another_encoding_is_named(tmp_path, content):
    sets = tmp_path / "ImageSets/Segmentation"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_bytes(content)
    (sets / "val.txt").write_text("b\n  \n")
    with pytest.raises(ValueError, match=r"train\.txt is not text in UTF-8"):
        voc.own_lists(tmp_path)
    (sets / "train.txt").write_text("a\n \n\n")
    train, val = voc.own_lists(tmp_path)
    assert (len(train), len(val)) == (1, 1)


def test_complete_lists_the_rest_of_train_in_order(tmp_path, capsys):
    root = _root(tmp_path / "root", 5)
    lists = tmp_path / "lists"
    for split, labelled in (("1_2", (3, 1)), ("1_4", (0,))):
        (lists / split).mkdir(parents=True)
        lines = [f"train/{i}.jpg trainannot/{i}.png" for i in labelled]
        (lists / split / "labeled.txt").write_text("\n".join(lines))
    (lists / "1_4/unlabeled.txt").write_text("kept")
    splits_main.main(["complete", "--root", str(root), "--out", str(lists)])
    assert capsys.readouterr().out == f"{lists}/1_2: 3 unlabelled images\n"
    rest = [(f"train/{i}.jpg", f"trainannot/{i}.png") for i in (0, 2, 4)]
    assert read_list(lists / "1_2/unlabeled.txt") == rest
    assert (lists / "1_4/unlabeled.txt").read_text() == "kept"
    with pytest.raises(FileNotFoundError, match=r"without its unlabeled.txt"):
        complete.complete_splits(root, lists)


def test_complete_refuses_another_data_set_and_a_part_of_one(tmp_path):
    root = _root(tmp_path / "root", 5)
    (tmp_path / "lists/1_2").mkdir(parents=True)
    (tmp_path / "lists/1_2/labeled.txt").write_text("train/9.jpg a.png")
    with pytest.raises(ValueError, match=r"train/9.jpg, which is not a train"):
        complete.complete_splits(root, tmp_path / "lists")
    for part in ("train2017", "val2017"):
        (tmp_path / "some" / part).mkdir(parents=True)
        (tmp_path / "some" / part / "1.jpg").touch()
    with pytest.raises(ValueError, match=r"1 of 118287 .*data.prepare coco"):
        complete.complete_splits(tmp_path / "some", tmp_path / "lists")
    assert not (tmp_path / "lists/1_2/unlabeled.txt").exists()
