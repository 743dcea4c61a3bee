"""The words that settings may have, and that others go by as well."""

UNMATCHED = ("error", "keep")
"""What becomes of files without a row in the label file, and of rows without a file."""
BLANK = ("unknown", "negative")
"""What an empty cell of a label file says of a finding."""
AGREEMENT = ("majority", "any", "all")
"""How many of several readers must name a finding."""
REFUSED = ("unlike",)
"""What may be refused besides pictures that are no chest films."""
READERS = ("auto", "worker", "spark")
"""Who reads the bytes of films: the workers, Spark, or the workers where they can."""
SEE = ("film", "lungs", "lungs-only")
"""What of a film a network is shown: all, the box of its lungs, or that with all else black."""
EXPLAIN_METHODS = ("auto", "cam", "gradcam", "gradcam++", "occlusion", "rise")
"""How a decision may be explained; `auto` takes what fits network and head."""
PEERS = (
    *("product", "recipe", "predict_batch", "ray_data", "daft"),
    *("keras_process", "engine_process", "spark_alone", "engine_alone"),
)
"""Whom `bench` lets run side by side."""
WEBDATASET = "webdataset"
SHARDS = (WEBDATASET, "parquet")
"""What `pack` writes."""
DELTA = "delta"
TABLE_FORMATS = ("parquet", DELTA)
"""What a table of scores is made of."""
EXPORT_FORMATS = ("parquet", "npy", "lance")
"""How `featurize --export` writes vectors."""
RECALIBRATE = ("auto", "none", "temperature", "isotonic")
"""How probabilities are recalibrated; `auto` does so where it helps beyond chance."""
REDUCE = ("off", "auto")
"""Whether JPEG 2000 may be decoded at a lower resolution than it has."""
