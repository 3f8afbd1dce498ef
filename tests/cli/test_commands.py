"""`ipixmatch COMMAND` in any folder, from a package as pip installs it."""

import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tomllib

import pytest

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.cli.arguments import COMMANDS
from ipixmatch_jax.configuration import files
from tests import command_helps, fork_server, xla_flags

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS = int(importlib.metadata.version("setuptools").split(".")[0])


# The script that pip writes; worker processes start from this file again.
SCRIPT = """
import sys
from ipixmatch_jax.command import main
if __name__ == "__main__":
    sys.exit(main())
"""


def ignored(folder, names):
    del folder
    return [n for n in names if n.startswith("__pycache__")]


def copied(to):
    """Copies the files that a build reads, and nothing else of the checkout."""
    to.mkdir()
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, to)
    for name in ("ipixmatch_jax", "configs"):
        shutil.copytree(ROOT / name, to / name, ignore=ignored)
    return to


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of packages with the layout that pyproject.toml describes."""
    to = tmp_path_factory.mktemp("site")
    settings = PROJECT["tool"]["setuptools"]
    for package in settings["packages"]:
        folder = settings["package-dir"].get(package)
        source = ROOT / (folder or package.replace(".", "/"))
        target = to / package.replace(".", "/")
        target.mkdir()
        for kind in ("*.py", *settings["package-data"].get(package, ())):
            for file in source.glob(kind):
                place = target / file.relative_to(source)
                place.parent.mkdir(exist_ok=True)
                shutil.copy(file, place)
    (to / "ipixmatch").write_text(SCRIPT)
    return to


def run(site, folder, *words):
    """Runs a command in a process of its own, in this folder."""
    changed = {"PYTHONPATH": str(site), "XLA_FLAGS": xla_flags.QUICK}
    return subprocess.run(
        [*fork_server.python(), str(site / "ipixmatch"), *words],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        cwd=folder,
        env=os.environ | changed,
    )


def test_every_package_is_installed():
    folders = {p.parent for p in (ROOT / "ipixmatch_jax").rglob("*.py")}
    names = {".".join(p.relative_to(ROOT).parts) for p in folders}
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    assert listed == names | {"ipixmatch_jax.configs"}


def test_every_file_is_installed(site):
    here = (ROOT / "ipixmatch_jax").rglob("*.*")
    names = {p.relative_to(ROOT) for p in here if p.suffix != ".pyc"}
    assert names <= {p.relative_to(site) for p in site.rglob("*.*")}


def test_the_entry_point_is_the_command():
    module, _, name = PROJECT["project"]["scripts"]["ipixmatch"].partition(":")
    assert (module, name) == ("ipixmatch_jax.cli.commands", "main")
    for command in COMMANDS.values():
        assert importlib.util.find_spec(command.module), command


@pytest.fixture(scope="module")
def helps(site, tmp_path_factory):
    """{name: [exit code, output of `ipixmatch NAME --help`]}."""
    return command_helps.ask(site, tmp_path_factory.mktemp("helps"))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_reads_well(helps, name):
    code, text = helps[name]
    assert code in (None, 0)
    lines = text.splitlines()
    assert lines[0].startswith(f"usage: ipixmatch {name} [-h]")
    at = lines.index("For example:")
    assert lines[at + 1].startswith(f"  ipixmatch {name}")
    assert at <= 70  # the help fits on two screens
    assert all(len(line) <= 80 for line in lines[:at])
    options = "\n".join(lines[:at]).split("options:\n")[1].split("\n\n")[0]
    for option in filter(None, options.split("\n  -")):
        assert len(option.split()) > 2, f"{option} says nothing"


def test_a_missing_and_an_unknown_command_are_refused(site, tmp_path):
    done = run(site, tmp_path)
    assert done.returncode == 2
    for name, command in COMMANDS.items():
        assert f"{name} " in done.stdout
        assert command.purpose in done.stdout
    assert run(site, tmp_path, "--help").returncode == 0
    done = run(site, tmp_path, "trian")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("ipixmatch: there is no command 'trian'; ")
    assert all(name in line for name in COMMANDS)
    assert line.endswith(" Did you mean train?")
    done = run(site, tmp_path, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("ipixmatch ")
    done = run(site, tmp_path, "--debug", "train")
    assert done.returncode == 2
    assert done.stderr == (
        "ipixmatch: --debug comes after the command's name, as in `ipixmatch "
        "train --debug`.\n"
    )


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["ipixmatch", "export", "runs/a"], "ipixmatch export"),
        (["ipixmatch predict", "--workdir=export"], "ipixmatch predict"),
        (["pretrained.py", "export"], "python -m ipixmatch_jax.hub"),
    ],
)
def test_an_error_names_the_command(words, call, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        arguments.end_with("ipixmatch_jax.hub", "No.", 1)
    assert capsys.readouterr().err == f"{call}: No.\n"


def test_packaged_configs_train_from_an_empty_folder(site, tmp_path):
    # A local folder named configs must not hide the package's.
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/common.py").write_text("raise ImportError('other')")
    small = {"train.steps": 1, "train.batch_size": 2, "data.crop_size": 33}
    small |= {"inter_pixel.weight": 0, "evaluate.batch_size": 64}
    # Views made by a data worker, whose process starts from our script.
    small |= {"data.num_workers": 1}
    fields = [f"--config.{field}={value}" for field, value in small.items()]
    done = run(site, tmp_path, "train", "--config", "shapes.py:tiny", *fields)
    assert "the splits are 1_16" in done.stderr
    done = run(
        site,
        tmp_path,
        "train",
        "--config",
        "shapes.py:tiny_1_16,method=supervised",
        *fields,
    )
    assert done.returncode == 0, done.stderr
    # The workdir is named after the config, as in a checkout.
    (results,) = tmp_path.glob("runs/shapes_tiny_1_16_*/results.json")
    assert '"step": 1' in results.read_text()


def test_a_local_config_file_takes_precedence(site, tmp_path):
    own = "from ipixmatch_jax.configs import common\ndef get_config(arg=''):\n"
    own += "    c = common.base()\n    c.data.name = 'none of mine'\n"
    own += "    return c\n"
    (tmp_path / "voc.py").write_text(own)
    done = run(site, tmp_path, "check", "--config=voc.py")
    assert "config.data.name='none of mine' is unknown" in done.stderr
    # With configs/ before it, the package's is still found.
    done = run(site, tmp_path, "check", "--config=configs/voc.py")
    assert done.returncode == 1
    assert "images and masks at data/voc\n     mkdir -p data/voc" in done.stdout
    assert (
        "\n     ipixmatch splits download --only pascal --out data/splits"
        in done.stdout
    )
    done = run(site, tmp_path, "check", "--config=vok.py")
    (line,) = done.stderr.splitlines()
    assert "No config file at vok.py" in line
    assert "voc.py" in line
    assert "common.py" not in line


def test_names_of_configs_in_a_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = ROOT / "configs/voc.py"
    assert files.find_file("voc.py:r50_92") == (path, "r50_92")
    assert files.find_file("configs/voc.py") == (path, None)
    assert "common.py" not in files.list_names()


@pytest.mark.skipif(SETUPTOOLS < 77, reason="pyproject.toml asks for 77")
def test_a_real_installation(site, tmp_path):
    to = tmp_path / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet"),
            *("--no-deps", "--no-build-isolation", "--no-index"),
            *("--target", to, copied(tmp_path / "source")),
        ],
        check=True,
        timeout=500,
    )
    package = to / "ipixmatch_jax"
    names = {path.relative_to(to) for path in package.rglob("*.py")}
    assert names == {p.relative_to(site) for p in site.rglob("*.py")}
    assert (to / "bin/ipixmatch").is_file()
    assert not (to / "configs").exists()
