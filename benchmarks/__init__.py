"""The yardstick: `python -m benchmarks` checks that rnncore and its rivals compute the same and times them in turns."""
