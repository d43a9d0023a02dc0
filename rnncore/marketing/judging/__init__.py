"""What a verdict is made of: measures, the bootstrap, the table of rivals, and leaks."""
