"""Gates: answers written without the library's backward pass, wrong ones and what the check must say."""

BACKWARD = """
def my_backward(params, cache, dy, dstate_T):
    Wx, Wh, x, h, c = params["Wx"], params["Wh"], cache.x, cache.h, cache.c
    dWx, dWh, db, dx = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wh.shape[1]), np.zeros_like(x)
    dh, dc = dstate_T
    for t in range(len(x) - 1, -1, -1):
        i, f, g, o = np.split(cache.gates[t], 4, axis=1)
        s = np.tanh(c[t + 1])
        dh = dy[t] + dh
        do = dh * s
        dc = dc + dh * o * (1 - s**2)
        da_i, da_f = dc * g * i * (1 - i), dc * c[t] * f * (1 - f)
        da_g, da_o = dc * i * (1 - g**2), do * o * (1 - o)
        dc = dc * f
        da = np.hstack([da_i, da_f, da_g, da_o])
        dWx, dWh, db = dWx + x[t].T @ da, dWh + h[t].T @ da, db + da.sum(axis=0)
        dx[t], dh = np.einsum("nj,dj->nd", da, Wx), np.einsum("nj,hj->nh", da, Wh)
    return {"Wx": dWx, "Wh": dWh, "b": db}, dx, (dh, dc)
"""
CANDIDATE = """
def my_candidate(params, x, h, r):
    n = slice(2 * h.shape[1], None)
    q = np.einsum("nk,kj->nj", h, params["Wh"][:, n]) + params["bh"][n]
    return np.tanh(x @ params["Wx"][:, n] + params["bx"][n] + r * q)
"""
RIGHT = [BACKWARD, CANDIDATE, "my_bias = 3.345"]


def with_slip(source, right, wrong):
    assert right in source
    return source.replace(right, wrong)


WRONG = [
    {
        "no carry of dc": (with_slip(BACKWARD, "dc = dc * f", "dc = 0 * dc"), "FAIL +x .* 3 .*FAIL +state_0.1"),
        "dc carried by i": (with_slip(BACKWARD, "dc = dc * f", "dc = dc * i"), "FAIL +x .* 3 .*FAIL +state_0.1"),
        "do with c instead of tanh c": (with_slip(BACKWARD, "do = dh * s", "do = dh * c[t + 1]"), "FAIL +b .* 4 +o "),
        "i and f swapped": (
            with_slip(BACKWARD, "[da_i, da_f, da_g, da_o]", "[da_f, da_i, da_g, da_o]"),
            "FAIL +b .* 4 +i f ",
        ),
        "c_t for c_{t-1}": (
            with_slip(BACKWARD, "dc * c[t] * f", "dc * c[t + 1] * f"),
            "known error: c_{t-1} taken as c_t",
        ),
        "slope of tanh at g forgotten": (with_slip(BACKWARD, "dc * i * (1 - g**2)", "dc * i"), "FAIL +b .* 4 +g "),
        "writes into dy": (
            with_slip(BACKWARD, "dh = dy[t] + dh", "dy[t] += dh; dh = dy[t]"),
            "an argument was changed: dy",
        ),
    },
    {
        "reset before": (
            with_slip(CANDIDATE, "h, params", "r * h, params").replace("r * q", "q"),
            "this is reset before",
        ),
        "no reset": (with_slip(CANDIDATE, "r * q", "q"), "n is wrong: in .4. bh is inside q"),
        "bh outside the gate": (
            with_slip(CANDIDATE, ' + params["bh"][n]', "").replace("r * q", 'r * q + params["bh"][n]'),
            "n is wrong: in .4. bh is inside q",
        ),
        "the first block": (
            with_slip(CANDIDATE, "slice(2 * h.shape[1], None)", "slice(0, h.shape[1])"),
            "blocks r z n",
        ),
        "not a number": ("my_candidate = lambda params, x, h, r: np.nan * h", "n is wrong"),
    },
    {
        "the gate itself": ("my_bias = 0.966", "= 0.724 has a half-life of 2.1 steps"),
        "ln 20, which is a time constant": ("my_bias = np.log(20)", "half-life of 14.2 steps, not of 20"),
        "the sign turned round": ("my_bias = np.log(2 ** (1 / 20) - 1)", "= 0.034 has a half-life of 0.2 steps"),
        "too long": ("my_bias = 4", "half-life of 38.2 steps, not of 20"),
    },
]
