"""Runs the launchers in bash, with stand-ins for cluster programs."""

import contextlib
import os
import pathlib
import subprocess
from collections.abc import Iterator

LAUNCH = pathlib.Path(__file__).resolve().parents[2] / "launch"


class Host:
    """A folder of stand-ins, first on PATH, and a record of their calls."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.calls = folder / "calls"
        (folder / "bin").mkdir()
        self.environment = os.environ | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOST": str(folder),
        }

    def program(self, name: str, body: str = "") -> pathlib.Path:
        """Makes a stand-in in bash that records its arguments per call."""
        path = self.folder / "bin" / name
        path.write_text(
            "#!/usr/bin/env bash\n"
            'words=$(printf "%s\\037" "$@")\n'
            f'echo "{name}:${{words//$\'\\n\'/ }}" >> "$HOST/calls"\n' + body
        )
        path.chmod(0o755)
        return path

    def seen(self, name: str) -> list[list[str]]:
        """The arguments of each call of a stand-in."""
        if not self.calls.exists():
            return []
        lines = self.calls.read_text().splitlines()
        head = name + ":"
        return [
            line.removeprefix(head).split("\x1f")[:-1]
            for line in lines
            if line.startswith(head)
        ]

    @contextlib.contextmanager
    def start(
        self, script: str, *words, **options
    ) -> Iterator[subprocess.Popen]:
        """Starts a launcher; options are those of Popen.

        If the test fails meanwhile, the launcher is killed.
        """
        with subprocess.Popen(
            ["bash", str(LAUNCH / script), *map(str, words)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        ) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise

    def run(self, script: str, *words, timeout=20, **options):
        """(exit code, stdout, stderr) of a launcher."""
        with self.start(script, *words, **options) as process:
            out, err = process.communicate(timeout=timeout)
        return process.returncode, out, err
