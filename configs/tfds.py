"""Any data set of TFDS with an image and a mask, by its name there.

    python -m ipixmatch_jax.main --config configs/tfds.py:oxford_iiit_pet \
        --config.data.root=DIR

DIR is TFDS's data_dir, where the set lies as array_record files;
docs/own_data.md says how it gets there. An eighth of train is labelled unless
config.data.split says otherwise. The recipes are those of configs/folder.py.
"""

from ml_collections import ConfigDict

from ipixmatch_jax.configs import folder


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<name>[,<backbone>][,method=...]`.

    Args:
      arg: the name may have a config and a version, as TFDS writes them;
        "" means oxford_iiit_pet, and r50.
    """
    name, _, rest = arg.partition(",")
    c = folder.get_config(rest)
    c.data.name = "tfds"
    c.data.root = "~/tensorflow_datasets"
    c.data.tfds = name or "oxford_iiit_pet"
    c.data.split = "1_8"
    return c
