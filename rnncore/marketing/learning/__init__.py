"""What every network reads and how it learns: columns as numbers, windows, examples, early stopping, calibration."""
