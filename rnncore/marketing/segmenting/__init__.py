"""Groups of customers, for segments: their sources, how they are learned, their profiles."""
