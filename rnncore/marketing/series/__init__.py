"""Series of values, for demand: periods, windows, quantiles that hold, simple methods, effects."""
