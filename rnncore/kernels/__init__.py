"""The fast twins: the files of `rnncore.layers` that loop over time, in Numba; same names, arguments, results, caches.

Read `lstm` beside `layers/lstm`. What they share, from the outside in:

    compiled once for several cells   lstm_variants, normalised, onnx_forward, onnx_backward
    a step or a row of a cell         gru_cell, gru_weights, norm, masked_step
    products of matrices              gemm on panel on tile (machine code), transposition
    numbers                           activations on vectors (a register as a number type)
    arrays, compilation, threads      rows (how arrays are seen), jit, helpers
    one event at a time               streaming, event, given

BLAS is not used.
"""
