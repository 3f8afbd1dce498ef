"""CVAT: "CVAT for images 1.1" and "Segmentation mask 1.1"."""

from ipixmatch_jax.data.label_formats.labelmap import FILE as LABELMAP
from ipixmatch_jax.data.prepare.label_tools.cvat_masks import read_masks
from ipixmatch_jax.data.prepare.label_tools.cvat_xml import read_xml
from ipixmatch_jax.data.prepare.label_tools.export import (
    Export,
    NotAnExportError,
    Rules,
)
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.data.prepare.label_tools.photographs import Photographs


def read_cvat(
    files: ExportFiles, photographs: Photographs, rules: Rules
) -> Export:
    """Reads the export that the files are.

    Raises:
      ValueError: they are neither, or both, or cannot be used.
    """
    lists = [n for n in files.names if n.rpartition("/")[2] == LABELMAP]
    sheets = [n for n in files.with_ending(".xml") if _is_sheet(files, n)]
    if lists and sheets:
        raise ValueError(
            f"{files.where(lists[0])} and {files.where(sheets[0])} belong to "
            "two exports of CVAT: put each into a folder of its own."
        )
    if len(lists) > 1:
        raise ValueError(
            f"{files.where(lists[0])} and {files.where(lists[1])} belong to "
            "two exports of CVAT: prepare each on its own."
        )
    if lists:
        return read_masks(files, photographs, lists[0])
    if sheets:
        return read_xml(files, photographs, rules, sheets)
    raise NotAnExportError(
        f"{files.source} holds neither annotations.xml nor {LABELMAP}: export "
        'the task from CVAT as "CVAT for images 1.1" or as "Segmentation mask '
        '1.1".'
    )


def _is_sheet(files: ExportFiles, name: str) -> bool:
    """Whether a file may be CVAT's; VOC's sheets are called annotation."""
    return b"<annotations" in files.read(name)[:4096]
