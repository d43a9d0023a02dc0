"""The fast twins: the files of `rnncore.layers` that loop over time, in Numba; same names, arguments, results, caches.

Read `lstm` beside `layers/lstm`. Below it: `gemm` (the matrix products) on `tile`, `activations`, `vectors` (a register
as a number type), `rows` (how arrays are seen) and `jit` (compilation and threads). BLAS is not used.
"""
