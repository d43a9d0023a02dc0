"""What `journey_answers.py` found, as tables: columns of text."""

from __future__ import annotations

from rnncore.marketing.journeys.touches import Credit, Floats, Moment

Table = dict[str, list[str]]


def of_moments(found: list[Moment]) -> Table:
    """Moments as columns of text."""
    return {
        "after": [m.kind for m in found],
        "times": [str(m.times) for m in found],
        "P(conversion)": [f"{m.probability:.4f}" for m in found],
        "lift": [f"{m.lift:.2f}" for m in found],
        "change": [f"{m.change:+.4f}" for m in found],
    }


def of_transitions(kinds: list[str], share: Floats) -> Table:
    """P(next | kind) as columns of text."""
    return {
        "after": kinds,
        **{name: [f"{p:.3f}" for p in share[:, k]] for k, name in enumerate([*kinds, "nothing more"])},
    }


def of_intervals(credit: Credit) -> Table:
    """The intervals of credit as columns of text."""
    return {
        "channel": list(credit.channels),
        **{name: [f"{low:.1f} to {high:.1f}" for low, high in own] for name, own in credit.intervals.items()},
    }


def of_handover(channels: tuple[str, ...], count: Floats) -> Table:
    """Hand-overs as columns of text."""
    return {
        "from": list(channels),
        **{f"to {name}": [f"{n:.0f}" for n in count[:, k]] for k, name in enumerate(channels)},
    }
