"""rnncore: recurrent networks with every derivative written by hand."""
