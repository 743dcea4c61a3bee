"""The columns of every table, once: names as constants, tables as DDL."""

PATH = "path"
SHA256 = "sha256"
LABEL = "label"
SOURCE = "source"
PATIENT = "patient_id"
GROUP = "group_id"
VIEW = "view"
REASON = "reason"
DETAIL = "detail"
CONTENT = "content"
FEATURES = "features"
FINDINGS = "findings"
AGE = "age"
SEX = "sex"
MAKER = "maker"
DEVICE = "device"

FILES = "path string, modified timestamp, bytes bigint, content binary"
"""One row a file, with what is in it: never written."""

IMAGES = (
    "path string, sha256 string, bytes bigint, modified timestamp, format string, "
    "width int, height int, bits int, pixels_sha256 string, looks binary, "
    "label string, source string, patient_id string, group_id string, "
    "view string, day_offset int, flags array<string>, "
    "findings map<string,boolean>, age int, sex string, maker string, device string"
)
"""One row an image that decodes. `group_id` is what may not be split: patients and twins. In
`findings` a name stands for true or false; a finding that is not named is unknown."""

QUARANTINE = "path string, sha256 string, reason string, detail string"
"""One row a file that is no image to work with, with a reason from `errors.REASONS`."""

SEEN = (
    "path string, sha256 string, bytes bigint, modified timestamp, format string, "
    "width int, height int, bits int, pixels_sha256 string, looks binary, "
    "patient_id string, view string, flags array<string>, reason string, detail string, "
    "age int, sex string, maker string, device string"
)
"""One row a file that was read: an image where `reason` is null, else a case for the quarantine."""

LOOKED = f"{SEEN}, vectors array<array<float>>"
"""The same with a vector for each network of the pass, null where none was wanted."""

LABELS = (
    "key string, label string, source string, patient_id string, view string, day_offset int, "
    "findings map<string,boolean>, age int, sex string, maker string, device string"
)
"""One row of a publisher's or user's label file, keyed by path, file name or stem."""

TWINS = (
    "path_a string, path_b string, sha256_a string, sha256_b string, kind string, "
    "distance int, likeness double"
)
"""One row a pair of films that are one. `kind`: bytes, pixels, or a variant of `images.alike`."""

LUNGS_OF_FILM = (
    "share double, certainty double, top double, bottom double, left double, right double, "
    "mask binary"
)
LUNGS = f"path string, sha256 string, {LUNGS_OF_FILM}"
"""One row a film: its lungs, all null where they were not found."""

CLUSTERS = "sha256 string, cluster_id string"
"""One row a film that has twins."""

CONFLICTS = (
    "cluster_id string, path_a string, label_a string, source_a string, "
    "path_b string, label_b string, source_b string"
)
"""One row a film in a cluster of twins with several labels, beside one with another label."""

FEATURE_ROWS = (
    "path string, sha256 string, label string, source string, group_id string, view string, "
    "features array<float>"
)
"""One row an image, with its feature vector."""

PREDICTIONS = (
    "path string, sha256 string, prediction string, confidence double, "
    "probabilities map<string,double>, model string, scored_at timestamp"
)
"""One row a file and model."""

TEST_PREDICTIONS = f"{PREDICTIONS}, label string, source string, group_id string, view string"
"""Predictions of a test, with the truth beside them."""

TEST_FINDINGS = f"{TEST_PREDICTIONS}, findings map<string,boolean>"
"""The same of a model of findings: `probabilities` are one each, `findings` is what is known."""

EVALUATED = (
    f"{TEST_FINDINGS}, age int, sex string, maker string, device string, "
    "training_distance double, flags array<string>, learned string"
)
"""One row a film of another place that has a label; `label` is as its file says it. A film with the
flag `not_an_xray` has the prediction that it would have had, which nobody was shown. `learned` is
exact or near where the model was trained on the film or on a near-duplicate of it."""

SCORES = (
    f"{PREDICTIONS}, modified timestamp, bytes bigint, training_distance double, "
    "flags array<string>, verdicts map<string,string>"
)
"""One row a file, content and model, as the job score leaves it; `modified` and `bytes` are those
of the file when it was read. For what is no X-ray (the flag `not_an_xray`) `prediction` and
`confidence` are null and `probabilities` is empty. `verdicts` has rule in, rule out or unsure for
each label; it is empty where a model has no sets, and tables of older versions do not have it."""

EXPLANATIONS = (
    f"{PREDICTIONS}, label string, target string, contrast string, margin double, method string, "
    "map array<float>, map_height int, map_width int, map_first double, map_step double, "
    "map_box array<double>, "
    "scale double, overlay string, heat_on_lungs double, lungs_area double, "
    "training_distance double, flags array<string>"
)
"""One row a film: why `target` and not `contrast`. `map` is in rows, above 0 for the target; its
cells look at map_first, map_first + map_step … of height and width; null: at equal parts. It covers
`map_box` (top, bottom, left, right, as shares of the film); null: all of it.
Where the model names no class and no label was asked for, there is no target and no map.
`label` is the truth where it is known; `overlay` a picture below the same directory. The heat on
the lungs is null where these were not found."""

HEAT_IN_BOXES = (
    "path string, finding string, boxes int, named boolean, hit boolean, inside double, "
    "area double, overlap double"
)
"""One row a film and finding that readers boxed; `named`: the model says that the film has it;
`hit`: the hottest point is in a box; `inside` and `area`: shares of heat and film in boxes."""

NEIGHBOURS = (
    "film string, place int, path string, sha256 string, label string, source string, cosine double"
)
"""One row a film and one of those that are most like it; `place` 1 is the nearest."""

SCORE_QUARANTINE = (
    f"{QUARANTINE}, modified timestamp, bytes bigint, model string, scored_at timestamp"
)
"""One row a file that could not be scored."""

TOUCHED = (
    "path string, sha256 string, modified timestamp, bytes bigint, model string, "
    "scored_at timestamp"
)
"""One row a file that has a new time and the content that was scored already."""

KNOWN = "path string, sha256 string, modified timestamp, bytes bigint, model string"
"""What these tables say together: files that need no second look."""

SPOKEN = (
    "prediction string, confidence double, probabilities map<string,double>, "
    "training_distance double, flags array<string>, reason string, detail string, "
    "verdicts map<string,string>"
)
"""What a model says of one image in SQL; `reason` and `detail` where it can say nothing."""


def columns(ddl: str) -> list[str]:
    """Give the column names of a table's DDL, in order."""
    depth, names, word = 0, [], ""
    for sign in f"{ddl},":
        depth += (sign == "<") - (sign == ">")
        if sign == "," and depth == 0:
            names.append(word.split()[0])
            word = ""
        else:
            word += sign
    return names
