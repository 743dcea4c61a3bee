"""The one place where the server asks for a heat map."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from spark_cxr.backbones.engines import load
from spark_cxr.errors import BadImage
from spark_cxr.model.attribution import make_tracer
from spark_cxr.model.explanation import explanations
from spark_cxr.model.model import Model
from spark_cxr.model.predictor import Prediction
from spark_cxr.serve.answers import Heat, text_of
from spark_cxr.serve.looking import Look
from spark_cxr.serve.refusals import Refusal, busy

MOST_WAITING = 8
"""Heat maps that may wait: each can cost several predictions."""


def wanted_label(labels: Sequence[str], asked: str) -> str | None:
    """Read ?explain: None where no heat is wanted, "" for the class that the answer names.

    Raises:
        Refusal: 400, it is a label that the model does not have.
    """
    if asked.lower() in ("", "0", "false"):
        return None
    if asked.lower() in ("1", "true"):
        return ""
    if asked not in labels:
        raise Refusal(400, "unknown_label", f"explain is 1 or one of {', '.join(labels)}")
    return asked


class Explainer:
    """Makes heat maps one at a time, in a thread beside the answers."""

    def __init__(self, model: Model, seconds: float) -> None:
        """Start with nothing to do."""
        self._model, self._seconds, self._waiting = model, seconds, 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")

    async def explain(self, look: Look, prediction: Prediction, label: str) -> Heat:
        """Say where in a film that the network has seen its answer comes from.

        Raises:
            Refusal: 503, too many are waiting, or time ran out.
        """
        if self._waiting >= MOST_WAITING:
            raise busy(f"{MOST_WAITING} heat maps are waiting")
        self._waiting += 1
        making = self._thread.submit(self._made, look, prediction, label)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(making), self._seconds)
        except TimeoutError:
            raise busy(f"no heat map within {self._seconds:g} s") from None
        finally:
            self._waiting -= 1

    def _made(self, look: Look, prediction: Prediction, label: str) -> Heat:
        if look.grey is None:
            raise TypeError("a film that is to be explained was kept")
        tracer = make_tracer("auto", self._model.judge.head, self._model.plan)
        (trace,) = tracer.trace(look.pixels[None])
        (found,) = explanations(
            look.grey, trace, prediction, self._model.labels, tracer.method, (label,), tracer.grid
        )
        return Heat(
            found.label, found.method, text_of(found.heat_png()), text_of(found.overlay_png())
        )

    def warm(self, looking: Callable[[], Look | BadImage]) -> None:
        """Have everything ready for the first map, without waiting for it."""
        self._thread.submit(self._warmed, looking)

    def _warmed(self, looking: Callable[[], Look | BadImage]) -> None:
        model, look = self._model, looking()
        if isinstance(look, Look):
            vector = load(model.plan).features(look.pixels[None])[0]
            self._made(look, model.judge.judge(vector, look.picture), model.labels[0])

    def close(self) -> None:
        """Finish the map that is being made."""
        self._thread.shutdown(wait=True, cancel_futures=True)
