"""How the masks of a folder are read, for the tests of masks."""

import numpy as np
import pytest

from ipixmatch_jax.data.registry import open_data


def opened(root):
    return open_data("folder", str(root), "", "")


def labels(root):
    """File number -> array, over the labelled part and val."""
    data = opened(root)
    return {
        int(part.name(i).split("/")[1].split(".")[0]): np.asarray(part[i].mask)
        for part in (data.labelled, data.val)
        for i in range(len(part))
    }


def said(root):
    (line,) = [n for n in opened(root).notes if n.startswith("Masks are read")]
    return line


def refused(root):
    """The one sentence; no absolute path but that of the folder."""
    with pytest.raises(ValueError) as error:
        opened(root)
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence.replace(f"{root}/", "")
