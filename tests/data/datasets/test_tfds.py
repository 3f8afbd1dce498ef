"""TFDS data sets, built by this test without TensorFlow."""

import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from ipixmatch_jax.data.registry import open_data
from tests.data import own_folder as own

MASK = tfds.features.Image(shape=(None, None, 1), use_colormap=True)
PHOTOGRAPH = tfds.features.Image(encoding_format="jpeg")


def encoded(image, kind="PNG"):
    file = io.BytesIO()
    image.save(file, kind)
    file.seek(0)
    return file


def build(root, name, splits, mask=MASK, first=0, **more):
    """Builds the data set `name` with this many images in each split."""

    class Made(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("4.0.0")

        def _info(self):
            features = {"image": PHOTOGRAPH, "segmentation_mask": mask}
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features | more),
            )

        def _split_generators(self, dl_manager):
            return {k: self._generate_examples(n) for k, n in splits.items()}

        def _generate_examples(self, count):
            for i in range(count):
                ids = Image.fromarray(own.ids(i) + np.uint8(first))
                yield (
                    i,
                    {
                        "image": encoded(own.photograph(i), "JPEG"),
                        "segmentation_mask": encoded(ids),
                    }
                    | {key: encoded(ids) for key in more},
                )

    Made.name = name
    builder = Made(data_dir=root, file_format="array_record")
    builder.download_and_prepare(download_dir=root / "downloads")
    return builder


def opened(root, name, split="1_2", **options):
    return open_data(
        "tfds", str(root), "", split, tfds=name, holdout=0.25, **options
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    build(root, "oxford_iiit_pet", {"train": 16, "test": 3}, first=1)
    return root


def test_pets_by_position(root):
    data = opened(root, "oxford_iiit_pet")
    assert [len(s) for s in data[:4]] == [6, 6, 4, 3]
    assert data.class_names == ("pet", "background")
    # Trimaps count from 1; 3 is the border, which has no class.
    expected = {
        np.asarray([0, 1, 255], np.uint8)[own.ids(i)].tobytes()
        for i in range(3)
    }
    found = {data.test[i].mask.tobytes() for i in range(3)}
    assert found == expected
    assert data.unlabelled[0].mask is None
    assert data.labelled[0].image.size == (48, 40)
    assert data.labelled.size(0) == (40, 48)


def test_pixels_are_those_that_tfds_decodes(root):
    builder = tfds.builder_from_directory(root / "oxford_iiit_pet/4.0.0")
    records = builder.as_data_source("test")
    data = opened(root, "oxford_iiit_pet")
    for i in range(3):
        np.testing.assert_array_equal(data.test[i].image, records[i]["image"])


def test_a_smaller_share_is_a_part_of_a_larger_one(root):
    def names(source):
        return {source.name(i) for i in range(len(source))}

    half, quarter = (
        opened(root, "oxford_iiit_pet", split) for split in ("1_2", "1_4")
    )
    assert len(quarter.labelled) == 3
    assert names(quarter.labelled) < names(half.labelled)
    assert names(quarter.val) == names(half.val)
    parts = [names(s) for s in half[:3]]
    assert len(set.union(*parts)) == 16


def test_own_val_split_and_unlabelled_split(tmp_path):
    build(tmp_path, "own", {"train": 4, "validation": 2, "unsupervised": 3})
    data = opened(tmp_path, "own", split="")
    assert [len(s) for s in data[:3]] == [4, 3, 2] and data.test is None
    assert data.class_names == ("class 0", "class 1", "class 2")
    path = tmp_path / "own/4.0.0/classes.csv"
    path.write_text("a,0,0,9\nvoid,0,0,0\nb,9,0,0\n")
    data = opened(tmp_path, "own", split="")
    assert data.class_names == ("a", "b")
    assert set(np.unique(data.labelled[0].mask)) == {0, 1, 255}


def test_names_of_labelled_images(tmp_path):
    labels = tfds.features.LabeledImage(
        labels=["sky", "sea", "sand"], shape=(None, None, 1)
    )
    build(tmp_path, "coast", {"train": 4}, mask=labels)
    assert opened(tmp_path, "coast").class_names == ("sky", "sea", "sand")


def test_with_two_masks_the_config_must_name_one(tmp_path):
    build(tmp_path, "two", {"train": 4}, depth=MASK)
    with pytest.raises(ValueError, match=r"is the mask.*depth.*mask_feature="):
        opened(tmp_path, "two")
    data = opened(tmp_path, "two", mask_feature="segmentation_mask")
    assert len(data.class_names) == 3


@pytest.mark.parametrize("name", ["nothing", "", "oxford_iiit_pet:1.0.0"])
def test_a_missing_data_set_says_how_to_get_it(root, name):
    with pytest.raises(FileNotFoundError, match=r"tfds build .*array_record"):
        opened(root, name)


def test_a_folder_of_lists_is_refused(root):
    expected = r"config\.data\.splits_dir=lists: tfds reads no lists"
    with pytest.raises(ValueError, match=expected):
        open_data("tfds", str(root), "lists", "1_2", tfds="pairs")


@pytest.mark.parametrize("split", ["92", "2_1", "half", "0_8"])
def test_an_impossible_share_is_refused(root, split):
    with pytest.raises(ValueError, match="reads like 1_8"):
        opened(root, "oxford_iiit_pet", split)
