"""The fields of the sections data and model."""

from ipixmatch_jax.configuration.field import Field, share

DATA = (
    Field("data.name", "", "The data set.", from_registry=True, compiled=False),
    Field("data.root", "", "The data set's folder.", compiled=False),
    Field(
        "data.splits_dir",
        "",
        "The folder that holds <split>/{labeled,unlabeled}.txt; empty: "
        "splits/ in the data set's folder.",
        compiled=False,
    ),
    Field(
        "data.split",
        "",
        "The labelled share, by the name of its folder of lists.",
        compiled=False,
    ),
    share(
        "data.holdout",
        0.2,
        "folder and tfds: the share of the labelled images that val gets "
        "where the data set has no val of its own.",
        compiled=False,
    ),
    Field(
        "data.folds",
        0,
        "folder and tfds without a val of their own: splits the labelled "
        "images into so many parts, of which val gets one (data.fold); those "
        "of a folder are balanced by class; 0: val gets the share "
        "data.holdout.",
        unit="folds",
        least=0,
        most=1000,
        compiled=False,
    ),
    Field(
        "data.fold",
        0,
        "The part of data.folds that val gets, from 0.",
        least=0,
        most=999,
        compiled=False,
    ),
    Field(
        "data.tfds", "", "tfds: the data set's name in TFDS.", compiled=False
    ),
    Field(
        "data.image_feature",
        "",
        "tfds: the feature that holds the image; empty: the only one that can.",
        compiled=False,
    ),
    Field(
        "data.mask_feature",
        "",
        "tfds: the feature that holds the mask; empty: the only one that can.",
        compiled=False,
    ),
    Field(
        "data.crop_size",
        321,
        "Side of the square training crops (UniMatch v1, VOC).",
        unit="pixels",
        least=17,
        most=16_384,
    ),
    Field(
        "data.num_workers",
        0,
        "Processes that read and crop images; 0 uses threads of the training "
        "process.",
        unit="processes",
        least=0,
        most=1024,
        compiled=False,
    ),
    Field(
        "data.channels",
        3,
        "Channels of the images: 1 grey, 2 grey and another, 3 RGB, 4 RGB and "
        "another such as near infrared, 5 to 16 the bands of TIFFs, of which "
        "pictures show the first three as red, green and blue. Only folder and "
        "tfds take other numbers than 3.",
        least=1,
        most=16,
        unit="channels",
    ),
    Field(
        "data.range",
        "",
        "folder and tfds: the values that become black and white in images of "
        "more than 8 bits: dtype, the range of their type; percentile, "
        "measured over all bands; bands, measured for each; or LOW,HIGH, or "
        "LOW,HIGH;LOW,HIGH;... with a pair per band, which is what a run "
        "keeps; empty: percentile where there are such images.",
        left_open="",
        compiled=False,
    ),
    Field(
        "data.normalisation",
        "imagenet",
        "imagenet: the mean and deviation of ImageNet's three channels; data: "
        "those of the training images, measured once, or data.mean and "
        "data.std where they are given.",
        choices=("imagenet", "data"),
    ),
    Field(
        "data.mean",
        "",
        "One number per channel on [0, 1], separated by commas; empty: "
        "measured where normalisation is data.",
        left_open="",
    ),
    Field(
        "data.std",
        "",
        "The deviations, written as data.mean is.",
        left_open="",
    ),
    Field(
        "data.apply_views",
        "device",
        "Where views are computed: on the device, inside the step, or on the "
        "host, by the data pipeline.",
        choices=("device", "host"),
    ),
    Field(
        "data.on_error",
        "stop",
        "Whether training stops at a labelled image whose files cannot be "
        "used, or skips it. It always skips and counts such unlabelled "
        "images, and never skips one of val.",
        choices=("stop", "skip"),
        compiled=False,
    ),
)

MODEL = (
    Field(
        "model.backbone",
        "r101",
        "The network that makes the features: a ResNet, or a vision "
        "transformer of DINOv2 or DINOv3.",
        from_registry=True,
    ),
    Field(
        "model.head",
        "",
        "The network that makes class scores of the features; empty: the one "
        "that goes with the backbone.",
        from_registry=True,
    ),
    Field(
        "model.stem",
        "deep",
        "The first layers of a ResNet: deep is three 3x3 convolutions "
        "(UniMatch v1), 7x7 is torchvision's one.",
        choices=("deep", "7x7"),
    ),
    Field(
        "model.output_stride",
        16,
        "Image pixels per feature along a side of a ResNet (UniMatch v1: 16).",
        choices=(8, 16),
    ),
    Field(
        "model.remat",
        False,
        "Computes the backbone's activations again for the gradient, block by "
        "block, instead of keeping them: the same numbers in less memory.",
    ),
    Field(
        "model.attention",
        "auto",
        "How a transformer's attention is computed while training: xla "
        "leaves it to XLA; cudnn is the fused kernel of NVIDIA's GPUs and "
        "needs precision=bf16; auto is cudnn where it can run and "
        "mesh.fsdp=1, else xla. What is read back from a run takes xla.",
        choices=("auto", "xla", "cudnn"),
    ),
    Field(
        "model.num_classes",
        0,
        "0 takes as many as the data set has.",
        unit="classes",
        least=0,
        most=254,
        left_open=0,
    ),
    Field(
        "model.pretrained",
        "",
        "A file of weights, or a name on the hub (docs/weights.md) such as "
        "timm/resnet101s.gluon_in1k; empty: random weights.",
    ),
    Field(
        "model.allow_missing",
        "",
        "Beginnings of parameter names that the file of weights may lack, "
        "separated by commas.",
    ),
    Field(
        "model.freeze",
        "",
        "Stages of the backbone that do not learn, separated by commas: stem "
        "and layer1 to layer4 of a ResNet; embedding, block_0 and so on, and "
        "norm of a transformer; or encoder, which is all of them. Their batch "
        "norms use the running statistics and do not change them, as is usual "
        "with few labels.",
    ),
)
