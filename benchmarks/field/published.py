"""What others reported on films of the same kind, but on sets of their own making."""

from spark_cxr.datasets import PublishedResult

AWAN = "Int J Environ Res Public Health 18(19):10147, 2021"
ELSEWHERE = (
    PublishedResult(
        "Awan 2021, Spark, frozen InceptionV3 and logistic regression",
        "three classes, 1,063 films",
        0.97,
        "not said",
        AWAN,
    ),
    PublishedResult(
        "Awan 2021, Spark, frozen ResNet50 or VGG19 and logistic regression",
        "three classes, 1,063 films",
        0.9855,
        "not said",
        AWAN,
    ),
)
