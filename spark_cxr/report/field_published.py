"""What others reported on films of the same kind, but on sets of their own making."""

from spark_cxr.datasets import Published

ELSEWHERE = (
    Published(
        "Awan 2021, Spark, frozen InceptionV3 and logistic regression",
        "1,063 films",
        0.97,
        "not said",
        "no source recorded here",
    ),
    Published(
        "Awan 2021, Spark, frozen ResNet50 or VGG19 and logistic regression",
        "1,063 films",
        0.9855,
        "not said",
        "no source recorded here",
    ),
    Published(
        "VGG16, fine-tuned",
        "four classes, 21,170 films",
        0.9856,
        "validation part, by image",
        "no source recorded here",
    ),
    Published(
        "ResNet152V2, fine-tuned, dense layers 512, 256, 64",
        "three classes, 312 test films",
        0.9519,
        "test part",
        "no source recorded here",
    ),
    Published(
        "VGG19, fine-tuned with augmentation",
        "three classes, 464 test films",
        0.9720,
        "test part",
        "no source recorded here",
    ),
)
