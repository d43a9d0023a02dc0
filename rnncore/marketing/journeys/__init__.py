"""Touches and conversions, for journey: what comes next, paths, credit."""
