"""Small tables of films written by hand, for checks that read no file."""

from spark_cxr.config import defaults
from spark_cxr.pipeline.checks.near_duplicate_checks import NearDuplicateTables

FILMS = (
    "path string, sha256 string, label string, source string, patient_id string, "
    "group_id string, split string"
)
TWINS = (
    "path_a string, path_b string, sha256_a string, sha256_b string, kind string, "
    "distance int, likeness double"
)
CLUSTERS = "sha256 string, cluster_id string"
SETTINGS = defaults().audit


def film(name, label="ill", source="one", patient=None, split=None):
    return (name, f"sha-{name}", label, source, patient, patient or f"sha-{name}", split)


def films(spark, *rows):
    return spark.createDataFrame(list(rows), FILMS)


def known(spark, rows, *pairs, kind="looks"):
    """Gather films and pairs of their names; each pair is a cluster of its own."""
    twins = [(a, b, f"sha-{a}", f"sha-{b}", kind, 0, 1.0) for a, b in pairs]
    clusters = [(f"sha-{name}", f"sha-{pair[0]}") for pair in pairs for name in pair]
    return NearDuplicateTables(
        films(spark, *rows),
        spark.createDataFrame(twins, TWINS),
        spark.createDataFrame(clusters, CLUSTERS),
        examples=3,
    )


def by_name(checks):
    return {check.name: check for check in checks}
