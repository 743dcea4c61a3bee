"""Does it hold here? The figures of the training against those of another place, in words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spark_cxr.metrics.finding_records import Estimate, FindingMetrics
from spark_cxr.metrics.intervals import difference_interval
from spark_cxr.metrics.measure import LEAST
from spark_cxr.metrics.records import Interval, Metrics
from spark_cxr.metrics.wording import counted, points

HOLDS, WORSE, BETTER, OPEN = "holds", "worse", "better", "cannot be said"
MARGIN = 0.05
"""A figure holds where the interval leaves no loss beyond this."""
POINTS = ("accuracy",)
"""Figures that are read in percentage points; the others, such as AUC, as decimals."""


@dataclass(frozen=True)
class Transfer:
    """One figure there, where the model comes from, and here."""

    figure: str
    """accuracy, auc_macro, "auc Effusion"."""
    there: Estimate
    here: Estimate
    films_there: int
    films_here: int
    """That the figure is of: the known films of a finding."""
    difference: Estimate
    """Here less there. The films are not the same, so the interval comes from both intervals."""
    margin: float = MARGIN

    @property
    def verdict(self) -> str:
        """Give holds, worse, better, or cannot be said.

        Worse or better: the interval of the difference leaves 0 out. Holds: it has 0 in it, and
        no loss larger than the margin. A test of few films proves nothing by finding nothing, so
        else it cannot be said.
        """
        between = self.difference.interval
        if between is None:
            return OPEN
        if between.high < 0:
            return WORSE
        if between.low > 0:
            return BETTER
        return HOLDS if between.low >= -self.margin else OPEN

    @property
    def sentence(self) -> str:
        """Say it in words: "worse by 12.3 points (8.1 to 16.2)"."""
        between, value = self.difference.interval, self.difference.value
        if between is None or value is None:
            return f"{OPEN}: {self._reason}"
        low, high = between.low, between.high
        if self.verdict in (WORSE, BETTER):
            ends = " to ".join(self._size(each) for each in sorted((abs(low), abs(high))))
            unit = " points" if self.figure in POINTS else ""
            return f"{self.verdict} by {self._size(value)}{unit} ({ends})"
        ends = f"{self._signed(low)} to {self._signed(high)}"
        if self.figure in POINTS:
            ends += " points"
        if self.verdict == HOLDS:
            return f"{HOLDS}: the difference is {ends}"
        return f"{OPEN}: {counted(self.films_here, 'film')} leave {ends} open"

    def to_json(self) -> dict[str, Any]:
        """Give all by name, and what follows."""
        return asdict(self) | {"verdict": self.verdict, "sentence": self.sentence}

    @property
    def _reason(self) -> str:
        if self.there.value is None:
            return "the training has no such figure"
        if min(self.films_there, self.films_here) >= LEAST and self.here.value is None:
            return "the films here do not give this figure"
        if self.films_there < LEAST <= self.films_here:
            return f"{counted(self.films_there, 'film')} in the training's test"
        return counted(self.films_here, "film")

    def _size(self, value: float) -> str:
        return points(abs(value)) if self.figure in POINTS else f"{abs(value):.3f}"

    def _signed(self, value: float) -> str:
        return f"{'−' if value < 0 else '+'}{self._size(value)}"


def transfer_of(
    figure: str,
    there: Estimate,
    here: Estimate,
    films_there: int,
    films_here: int,
    margin: float = MARGIN,
) -> Transfer:
    """Hold one figure here against that of the training."""
    enough = min(films_there, films_here) >= LEAST
    if there.value is None or here.value is None or not enough:
        difference = Estimate(None)
    else:
        ends = [_between(each) for each in (here, there)]
        between = None
        if ends[0] and ends[1]:
            between = difference_interval(here.value, ends[0], there.value, ends[1])
        difference = Estimate(here.value - there.value, between)
    return Transfer(figure, there, here, films_there, films_here, difference, margin)


def transfers(
    trained: Mapping[str, float | None],
    measured: Metrics | FindingMetrics,
    margin: float = MARGIN,
) -> tuple[Transfer, ...]:
    """Hold the figures of a model's own test, as model.json has them, against those of here.

    Classes: accuracy, then the mean AUC. Findings: the mean AUC, then that of each. The mean is
    only of one kind where it is over the same findings; where one lacks an AUC here, compare
    findings one by one.
    """
    films = int(trained.get("n") or 0)
    figures: dict[str, tuple[Estimate, int]] = {}
    if isinstance(measured, FindingMetrics):
        figures["auc_macro"] = (measured.macro.auc, measured.n)
        figures |= {f"auc {row.finding}": (row.figures.auc, row.known) for row in measured.rows}
    else:
        found = measured.intervals
        figures["accuracy"] = (Estimate(measured.accuracy, found.accuracy), measured.n)
        figures["auc_macro"] = (Estimate(measured.auc_macro, found.auc_macro), measured.n)
    return tuple(
        transfer_of(name, trained_figure(trained, name), here, films, films_here, margin)
        for name, (here, films_here) in figures.items()
    )


def trained_figure(trained: Mapping[str, float | None], name: str) -> Estimate:
    """Read a figure and its interval from the metrics of model.json."""
    low, high = trained.get(f"{name}_low"), trained.get(f"{name}_high")
    ends = Interval(low, high) if low is not None and high is not None else None
    return Estimate(trained.get(name), ends)


def _between(found: Estimate) -> Interval | None:
    """Give the interval; a figure of 1 from which no draw differs counts as known."""
    if found.interval is None and found.value == 1:
        return Interval(1.0, 1.0)
    return found.interval
