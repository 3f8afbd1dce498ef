"""The label splits of the field, as UniMatch's repositories hold them."""

# Path below splits/ -> (lines, sha256 of the file). From the last commit, of
# October 2024.
UNIMATCH = {
    "cityscapes/1_16/labeled.txt": (
        186,
        "64195914dce1231133c7dc611fece213bc3a87fe4e0b73fbd96add7dfa8a2f46",
    ),
    "cityscapes/1_16/unlabeled.txt": (
        2789,
        "7f18e2aefb5e88598910e291a935117daaeef51c6828edeb62f8a6c882be0a79",
    ),
    "cityscapes/1_2/labeled.txt": (
        1488,
        "90d8e29d4d182c3b3def3d1fac02e454868c4ca632f73696bb521aa05e937ee4",
    ),
    "cityscapes/1_2/unlabeled.txt": (
        1487,
        "23d0efaa43a65608b25eb078ed058c53979957e44407d787e3abdda9a795d289",
    ),
    "cityscapes/1_30/labeled.txt": (
        100,
        "b11041fef70476fb5564af0ef006a8013622da9cf49c7faf4182f3e26eb32742",
    ),
    "cityscapes/1_30/unlabeled.txt": (
        2875,
        "1b8a9b7bb4f9f6f06a3dffe766efe8b10a14a0137637af1738bbb417a5c85dbe",
    ),
    "cityscapes/1_4/labeled.txt": (
        744,
        "8edd24ae817eed7b49d0a06c95b7bfaf769002c98387e4edeab5e221ab7791c3",
    ),
    "cityscapes/1_4/unlabeled.txt": (
        2231,
        "6fc53258ed2e40f72f4a22b6e20d60a789168fdf6b860033f826e8bee3900e9b",
    ),
    "cityscapes/1_8/labeled.txt": (
        372,
        "97291dfc509a8c90ee94e1c5fd1f7668c21205b995f53b963ac133f0ed96ee8e",
    ),
    "cityscapes/1_8/unlabeled.txt": (
        2603,
        "5d7d33e39a8bda908e12d7f33ecb3299f93a8596fbe3c5e0cc1f2d3f5d358459",
    ),
    "cityscapes/val.txt": (
        500,
        "cf5aa35c0e4446bc684b61b6be88e22299ef7b1851852b53fc6a34794f161544",
    ),
    "pascal/1464/labeled.txt": (
        1464,
        "b20486876df309c57c8230e957b2957fff5392ff5cb11f225e8453ed6c50ba3e",
    ),
    "pascal/1464/unlabeled.txt": (
        9118,
        "3ba331d08fee0751486a8be3f9f269f9efc09faa82a32a703bbb7deda4d66544",
    ),
    "pascal/183/labeled.txt": (
        183,
        "de3f4680391cb15324402dae17ac0919933d0d9004c11a641c924f3f67147f9f",
    ),
    "pascal/183/unlabeled.txt": (
        10399,
        "39aa3fd2997799c57c7d68d1ab342e2ebf53224ab10c1766a9fcd1554afbfd6a",
    ),
    "pascal/1_16/labeled.txt": (
        662,
        "0f5e114e6504c8afec6523db91f05503f120d1365cf505e6f4ef99f316d5873b",
    ),
    "pascal/1_16/unlabeled.txt": (
        9920,
        "29b30bf7adb5d39e642c57e3a3f4f26f9d4fb8f145098c430a597ef99160e36f",
    ),
    "pascal/1_4/labeled.txt": (
        2646,
        "a4573ca0fa8f97c4013dba5f8b233e77a1a8dc7877539b1eb18c8206d37227d0",
    ),
    "pascal/1_4/unlabeled.txt": (
        7936,
        "832ccd3a7971b1ed79e77f606a6736fa58d85f88aaf2eb88c856b27af74c847b",
    ),
    "pascal/1_8/labeled.txt": (
        1323,
        "c5ea9bb095158a137e4c1db739b07d54a89af697de24ffd9e576493a4189653f",
    ),
    "pascal/1_8/unlabeled.txt": (
        9259,
        "5246f6e0bec70363a5b898e0d685d37b0afcfab4a71c010e7026555294d9eca9",
    ),
    "pascal/366/labeled.txt": (
        366,
        "74f6bd1e459a8b46fc204529d70b603769f8a45aef4553df8a5c04b5698e77b7",
    ),
    "pascal/366/unlabeled.txt": (
        10216,
        "591c593546d1dbb65bd4d08ae99fabc1e9958d614c8079c8961422b8b7df7433",
    ),
    "pascal/732/labeled.txt": (
        732,
        "02c8ec5b62e27364f5bc91eb95bccf54debaa721e9d31c50c07507aea258fd0f",
    ),
    "pascal/732/unlabeled.txt": (
        9850,
        "8ddf828ec616b551447dc402c2c53eb7d0044697a0b6bacd6190ee843ffbf340",
    ),
    "pascal/92/labeled.txt": (
        92,
        "8a02aa6a1253178b105bd25b36f0a27daeedf6b3959f399aa47d24783f3a8306",
    ),
    "pascal/92/unlabeled.txt": (
        10490,
        "a3eb5ef8d2ae547f131bfa60b8111d21700d458b545741336633d5aa209254d5",
    ),
    "pascal/train_aug.txt": (
        10582,
        "f04ab664c71f84950a3a1fd28544b6851500c81a9aff890c4b9279639a32152c",
    ),
    "pascal/u2pl_1_16/labeled.txt": (
        662,
        "a58cf5eda18c8e060c8fef0233b388b488e62e5903076fed90b5bd34cf6735d3",
    ),
    "pascal/u2pl_1_16/unlabeled.txt": (
        9920,
        "4f038ee0eef3dc96863906821f2eb78c430941d9151ad78366fdbcc0b9e3aa8f",
    ),
    "pascal/u2pl_1_4/labeled.txt": (
        2646,
        "b740bcf1ac91477ff0df913594ea70a00ced359a007a4050cac487f136470fa4",
    ),
    "pascal/u2pl_1_4/unlabeled.txt": (
        7936,
        "43652ae8048ee32a75df1e27dd56147ad606d65a3721ac056294d6c7fb08ee06",
    ),
    "pascal/u2pl_1_8/labeled.txt": (
        1323,
        "cebe5f2fda695dd72ff3336d6bfef95967c903fe4d404d9827a42c5fbc1dfd8a",
    ),
    "pascal/u2pl_1_8/unlabeled.txt": (
        9259,
        "fc4708a91ce72d15c1bf3515334abcc09d604f83f5110c12a5548af126e6f768",
    ),
    "pascal/val.txt": (
        1449,
        "df002e3a730c57678f63aa3e46a4c827a4066f1dc1814e24d0e8b215075e0c6c",
    ),
}
# From the last commit, of December 2024. COCO's unlabelled lists, of 6 MB each,
# are all of train2017 that is not labelled: splits/complete.py writes them.
UNIMATCH_V2 = {
    "ade20k/1_16/labeled.txt": (
        1263,
        "a716e48c18e404ad00258e111290d09c59fd90b6b564283a1e86741a083dda82",
    ),
    "ade20k/1_16/unlabeled.txt": (
        18947,
        "870ac4741548a35488d0e8908180e78272f044b14bbf5b415470c32020959943",
    ),
    "ade20k/1_2/labeled.txt": (
        10105,
        "cf34f0bd73d0f9980a9517cb872dcd66b4ad3901d2f2b4a6e10db715c7f44a45",
    ),
    "ade20k/1_2/unlabeled.txt": (
        10105,
        "47d05419c223cf8c03d3fa9a20dc587376e04a0058ff754e5b449f07a50277b1",
    ),
    "ade20k/1_32/labeled.txt": (
        631,
        "b5f4e344f278d04dc4b0f3a1ebb349844d5ad8cbab61922275d43211ef1526ad",
    ),
    "ade20k/1_32/unlabeled.txt": (
        19579,
        "9fce0ed18e709ab8251a616e9eea9f4ac2ce0bc661a88ddd44153b977c098a25",
    ),
    "ade20k/1_4/labeled.txt": (
        5052,
        "e657087c6b05ecc7a264820212c21918e280c51b060b831d5bc138114099b1b5",
    ),
    "ade20k/1_4/unlabeled.txt": (
        15158,
        "71a13b5d53bde54026685de734807322c8133d98254cdb96d07e87862d6174fb",
    ),
    "ade20k/1_64/labeled.txt": (
        316,
        "78f423b10adcb3670e048c02bf43707430ede157036c195b61912dc4bf25602a",
    ),
    "ade20k/1_64/unlabeled.txt": (
        19894,
        "5ed99f84b17e763691c66284c58932d71cf8b9300542ac2b133b28111d83f8f8",
    ),
    "ade20k/1_8/labeled.txt": (
        2526,
        "311d88abc340a887a4e1f87b49e87ba8b4d050cb2ee3a2dfcc01158c2d29f7f0",
    ),
    "ade20k/1_8/unlabeled.txt": (
        17684,
        "75f286c72f247b5d3120fafa4262b654ec9968de39f4fbaf470abbaa82874c9f",
    ),
    "ade20k/val.txt": (
        2000,
        "8a733f0c20d8f6cd6450b775a2f9e0d9d328af6d8a3aaf50db55d964d18d584c",
    ),
    "coco/1_128/labeled.txt": (
        925,
        "06067c0fb879b8e6ab8f4bdab3dfa641e8e4da2990200fa156daa33670329d79",
    ),
    "coco/1_256/labeled.txt": (
        463,
        "4cdf41b9d3b3afc3734057a605015860501199ed3680370ccb2c677fc159b127",
    ),
    "coco/1_32/labeled.txt": (
        3697,
        "781b5990914f7422ee9e1f6325a914f289e077621b77b9cd066c2d01d33a939e",
    ),
    "coco/1_512/labeled.txt": (
        232,
        "bd0ff85bf2d35b4641d08c2201257ad5b5f02f85ea0da457f44f0b97c4caeb37",
    ),
    "coco/1_64/labeled.txt": (
        1849,
        "622b84ccbb5dcba32f4f5bb4ffaf1a9cf3e3f1f460b55dc02605fd099ebf1337",
    ),
    "coco/val.txt": (
        5000,
        "5a296a8b638114611e81c3b2257ec1720c8c16300f29ac24fcd8ddf08c9eb6d8",
    ),
}
# Address of the folder splits/, with a final slash -> its lists.
SOURCES = {
    "https://raw.githubusercontent.com/LiheYoung/UniMatch/"
    "0324f3dd4a22128105a5eb135d2586c0bb3cc647/splits/": UNIMATCH,
    "https://raw.githubusercontent.com/LiheYoung/UniMatch-V2/"
    "f6afb4dfca2d9dcbcee2307e97717954ca75c0ba/splits/": UNIMATCH_V2,
}
