"""The textbook: NumPy only, one file a cell, every equation numbered, the backward in reverse with primed numbers.

Read `rnn`, then `lstm`, then `gru`; `elementary` holds the activations and the meaning of `lengths`. No function here
checks its arguments: `rnncore.contract` has done that before they are called. The fast twins of the three cells are in
`rnncore.kernels`.
"""
