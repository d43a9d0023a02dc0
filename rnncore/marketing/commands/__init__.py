"""What stands between the command line and the tasks: words to arguments, printing, interrupted work."""
