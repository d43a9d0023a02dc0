"""What was found about the columns of a table, for `leaks.py`, which says the rule: which are suspected, and why."""

from __future__ import annotations

from typing import NamedTuple

from rnncore.marketing.judging.purity import Settled

ABSURD, PERFECT = 0.8, 0.98  # AUROC of a column alone
FAR = 0.95  # what others reach that are not far from PERFECT, and a single cut that is
SAY, CLEAR = 0.6, 0.9  # AUROC of others that say something; of a single value where they say nothing


class Suspect(NamedTuple):
    """What was found about one column."""

    name: str
    alone: float
    """AUROC of the column alone, out of fold."""
    others: float | None
    """AUROC of all others together; None where `alone` is below ABSURD and it was not asked."""
    value: float = 0.5
    """AUROC of the one value of it that ranks best against all its others; where `others` was asked."""
    cut: float = 0.5
    """AUROC of the best question whether its numbers are above one; where `others` was asked."""
    later: float = 0.0
    """Share of its times that lie after the outcome, where that has a time; 0 for columns that hold no times."""
    settled: Settled | None = None
    """A value that settles the outcome, if there is one."""

    @property
    def leaks(self) -> bool:
        """Whether it is suspected."""
        return self.later > 0 or self.settled is not None or self.too_good

    @property
    def beats(self) -> bool:
        """Whether it is absurdly good, and better than the others."""
        return self.others is not None and self.alone > self.others

    @property
    def too_good(self) -> bool:
        """Whether it beats the others as a cell would that was filled in afterwards."""
        if self.others is None or not self.beats:
            return False
        if self.cut >= FAR or (self.alone >= PERFECT and self.others < FAR):
            return True
        return self.value >= (ABSURD if self.others >= SAY else CLEAR)

    @property
    def strong(self) -> bool:
        """Whether it beats the others, as an honest column may, and is not suspected."""
        return self.beats and not self.leaks

    @property
    def why(self) -> str:
        """What was measured, in words."""
        said = f"alone {self.alone:.3f}"
        if self.others is not None:
            said += f", by one value {self.value:.3f}" if self.value >= ABSURD else ""
            said += f", by one cut {self.cut:.3f}" if self.cut >= max(FAR, self.value + 1e-12) else ""
            said += f", the others together {self.others:.3f}"
        if self.settled is not None:
            value, cases, share, others = self.settled
            said += f"; of the {cases:,} cases with {self.name} {value}, {share:.1%} have the same outcome"
            said += f", of the others {others:.1%}"
        return said + (f"; {self.later:.1%} of its times are after the outcome" if self.later else "")


class Leaks(NamedTuple):
    """The columns, the most telling first; prints as a table."""

    source: str
    columns: tuple[Suspect, ...]

    @property
    def suspected(self) -> list[str]:
        """Names of the columns that are suspected."""
        return [suspect.name for suspect in self.columns if suspect.leaks]

    @property
    def strong(self) -> list[str]:
        """Names of those that are strong, and not suspected."""
        return [suspect.name for suspect in self.columns if suspect.strong]

    def __str__(self) -> str:
        width = max(len(suspect.name) for suspect in self.columns)
        lines = []
        for s in self.columns:
            mark = "LEAK?" if s.leaks else "strong" if s.strong else ""
            lines.append(f"  {mark:6} {s.name:<{width}}  {s.why}")
        if self.strong:
            lines.append(f"strong: {', '.join(self.strong)}; a leak unless known before the outcome")
        return "\n".join([self.source, *lines, f"suspected: {', '.join(self.suspected) or 'none'}"])
