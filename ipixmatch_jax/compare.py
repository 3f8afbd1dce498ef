"""One table of finished runs:

python -m ipixmatch_jax.compare supervised=DIR host=DIR IPixMatch=DIR
"""

import argparse
import json
import pathlib
import sys


def read(workdir: pathlib.Path) -> dict:
    """A finished run's results.json.

    Raises:
      FileNotFoundError: the run is not finished, or is not one.
    """
    path = workdir / "results.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: the run in {workdir} has not finished; start "
            "it again with its own command and it continues."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def table(results: dict[str, dict]) -> str:
    """Rows of IoU in percent, one per run and checkpoint, as Markdown.

    Args:
      results: name of the row -> contents of results.json, all of them of
        one data set; "best" or "last" may be left out.
    """
    classes = next(iter(results.values()))["class_names"]
    head = ["run", "checkpoint", "on", "mIoU", *classes]
    lines = [head]
    for name, result in results.items():
        for which in ("best", "last"):
            part = result.get(which, {})
            for subset in ("val", "test"):
                if subset in part:
                    scores = part[subset]
                    lines.append(
                        [
                            name,
                            f"{which} ({part['network']}, {part['step']})",
                            subset,
                            f"{scores['miou']:.1f}",
                            *(f"{v:.1f}" for v in scores["iou"]),
                        ]
                    )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    ]
    rows.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(rows)


def main() -> None:
    """Prints the table, then where each run's files are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="[NAME=]WORKDIR")
    results = {}
    try:
        for run in parser.parse_args().runs:
            name, _, folder = run.rpartition("=")
            results[name or folder] = read(pathlib.Path(folder))
        text = table(results)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"ipixmatch_jax: {error}")
    print(text)
    for name, result in results.items():
        print(f"\n{name}")
        for what, path in result["files"].items():
            print(f"  {what}: {path}")


if __name__ == "__main__":
    main()
