"""What counts where a label file says neither yes nor no: by flag, else as the data set says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from spark_cxr.datasets import Dataset
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.pipeline.finding_names import FindingNames
from spark_cxr.settings import Ingest

POSITIVE, NEGATIVE, UNKNOWN = "positive", "negative", "unknown"
WORDS = (UNKNOWN, POSITIVE, NEGATIVE)


@dataclass(frozen=True)
class FindingPolicy:
    """Which findings a run wants, and what counts where a file says neither yes nor no."""

    wanted: tuple[str, ...]
    may_lack: bool = False
    """Another label file may have what this one lacks."""
    names: FindingNames = field(default_factory=FindingNames)
    uncertain: Mapping[str, str] = field(default_factory=dict)
    """What -1 counts as, by finding; under the empty name for all others."""
    blank: str = UNKNOWN
    """What an empty cell counts as."""
    agreement: str = "majority"
    """How many of several readers must name a finding."""
    ignored: tuple[str, ...] = ()
    """Words of a list that are no findings."""

    def of_uncertain(self, finding: str) -> str:
        """Give what -1 counts as for a finding."""
        return self.uncertain.get(finding) or self.uncertain.get("", UNKNOWN)


def policy_of(
    settings: Ingest, dataset: Dataset, names: FindingNames, may_lack: bool = False
) -> FindingPolicy | None:
    """Put what the settings say over what the data set says; None: a run of one label a film."""
    if not settings.findings:
        return None
    return FindingPolicy(
        wanted=settings.findings,
        names=names,
        may_lack=may_lack,
        uncertain={
            **_uncertain(dataset.uncertain, f"uncertain of {dataset.name}.toml", names),
            **_uncertain(settings.uncertain, "--uncertain", names),
        },
        blank=settings.blank or dataset.blank or UNKNOWN,
        agreement=settings.agreement,
        ignored=dataset.ignored,
    )


def _uncertain(words: Sequence[str], where: str, names: FindingNames) -> dict[str, str]:
    found = {}
    for word in words:
        finding, equals, meaning = word.rpartition("=")
        if meaning.strip() not in WORDS or (equals and not finding.strip()):
            expected = f"{where} as {', '.join(WORDS)}, or FINDING=WORD"
            raise ConfigError(expected, word, nearest(meaning.strip(), WORDS))
        found[names.of(finding) if equals else ""] = meaning.strip()
    return found
