"""The label tools whose exports are read."""

from collections.abc import Callable
from typing import NamedTuple

from ipixmatch_jax.data.prepare.label_tools.coco_instances import read_coco
from ipixmatch_jax.data.prepare.label_tools.cvat import read_cvat
from ipixmatch_jax.data.prepare.label_tools.export import Export, Rules
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.data.prepare.label_tools.labelme import read_labelme
from ipixmatch_jax.data.prepare.label_tools.labelstudio import read_labelstudio
from ipixmatch_jax.data.prepare.label_tools.photographs import Photographs
from ipixmatch_jax.data.prepare.label_tools.roboflow import read_roboflow
from ipixmatch_jax.utils.registry import Registry


class LabelTool(NamedTuple):
    """One label tool.

    Attributes:
      read: reads an export. Raises ValueError in one sentence that names the
        file.
      exports: what to export from it, for the help.
    """

    read: Callable[[ExportFiles, Photographs, Rules], Export]
    exports: str


LABEL_TOOLS = Registry(
    "label tool",
    {
        "labelme": LabelTool(read_labelme, "LabelMe's JSON files"),
        "cvat": LabelTool(
            read_cvat, '"CVAT for images 1.1" or "Segmentation mask 1.1"'
        ),
        "coco": LabelTool(read_coco, "COCO's instances of any label tool"),
        "labelstudio": LabelTool(read_labelstudio, 'Label Studio\'s "JSON"'),
        "roboflow": LabelTool(
            read_roboflow,
            '"COCO segmentation" or "semantic segmentation masks"',
        ),
    },
)
