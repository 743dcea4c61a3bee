"""The names of Deep Learning Pipelines (sparkdl) over today's code: change the import, keep going.

`import spark_cxr.sparkdl.compat` before an old notebook spares it even that. What sparkdl got wrong
is put right here: bad images do not fail the job, grey levels stay, and pipelines can be saved.
Keywords give the old behaviour back (see `DeepImageFeaturizer`).
"""

from spark_cxr.sparkdl import imageIO
from spark_cxr.sparkdl.horovod import HorovodRunner
from spark_cxr.sparkdl.imageIO import ImageSchema, imageSchema, imageType, readImages
from spark_cxr.sparkdl.keras_estimator import KerasImageFileEstimator
from spark_cxr.sparkdl.keras_image_udf import registerKerasImageUDF
from spark_cxr.sparkdl.keras_models import KerasImageFileTransformer, KerasTransformer
from spark_cxr.sparkdl.named_image import DeepImageFeaturizer, DeepImagePredictor
from spark_cxr.sparkdl.saved_pipelines import load_pipeline
from spark_cxr.sparkdl.tf_graph import imageInputPlaceholder
from spark_cxr.sparkdl.tf_image import TFImageTransformer
from spark_cxr.sparkdl.tf_input import TFInputGraph
from spark_cxr.sparkdl.tf_tensor import TFTransformer

__all__ = [
    "DeepImageFeaturizer",
    "DeepImagePredictor",
    "HorovodRunner",
    "ImageSchema",
    "KerasImageFileEstimator",
    "KerasImageFileTransformer",
    "KerasTransformer",
    "TFImageTransformer",
    "TFInputGraph",
    "TFTransformer",
    "imageIO",
    "imageInputPlaceholder",
    "imageSchema",
    "imageType",
    "load_pipeline",
    "readImages",
    "registerKerasImageUDF",
]
