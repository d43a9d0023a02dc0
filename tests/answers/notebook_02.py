"""Unrolled: answers written without the library's backward pass, wrong ones and what the check must say."""

BACKWARD = """
def my_backward(params, cache, dy, dstate_T):
    Wx, Wh, h, x = params["Wx"], params["Wh"], cache.h, cache.x
    dWx, dWh, db, dx = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(len(Wh)), np.zeros_like(x)
    dh = dstate_T[0]
    for t in range(len(x) - 1, -1, -1):
        da = (dy[t] + dh) * (1 - h[t + 1] ** 2)
        dWx += np.einsum("nd,nh->dh", x[t], da)
        dWh += np.einsum("nk,nh->kh", h[t], da)
        db += da.sum(axis=0)
        dx[t] = np.einsum("nh,dh->nd", da, Wx)
        dh = np.einsum("nh,kh->nk", da, Wh)
    return {"Wx": dWx, "Wh": dWh, "b": db}, dx, (dh,)
"""
PIECES = """
def my_pieces(x, h_0, dy, dh_T):
    _, early, first = layer.forward(p.params, x[:3], (h_0,))
    _, _, second = layer.forward(p.params, x[3:], early)
    grads, dx_late, dearly = layer.backward(p.params, second, dy[3:], (dh_T,))
    more, dx_soon, (dh_0,) = layer.backward(p.params, first, dy[:3], dearly)
    return grads["Wh"] + more["Wh"], np.concatenate([dx_soon, dx_late]), dh_0
"""
RIGHT = [BACKWARD, PIECES]


def with_slip(source, right, wrong):
    assert right in source
    return source.replace(right, wrong)


WRONG = [
    {
        "Wh instead of its transpose": (
            with_slip(BACKWARD, '"nh,kh->nk", da, Wh', '"nh,hk->nk", da, Wh'),
            "FAIL +x .*looks like the known error: Wh transposed",
        ),
        "= for +=": (
            with_slip(BACKWARD, "dWh += ", "dWh[:] = "),
            "FAIL +Wh .*ok +b .*ok +x ",
        ),
        "dy at the last step only": (
            with_slip(BACKWARD, "(dy[t] + dh)", "((dy[t] if t == len(x) - 1 else 0) + dh)"),
            "looks like the known error: dy only at the last step",
        ),
        "nothing from the next step": (
            with_slip(BACKWARD, "(dy[t] + dh)", "dy[t]"),
            "FAIL +x +\\(5,2,3\\) .* 4 ",
        ),
        "the final state's gradient ignored": (
            with_slip(BACKWARD, "dstate_T[0]\n", "0 * dstate_T[0]\n"),
            "looks like the known error: final-state gradient dh_T ignored",
        ),
        "writes into dy": (
            with_slip(BACKWARD, "da = (dy[t] + dh)", "dy[t] += dh; da = dy[t]"),
            "an argument was changed: dy",
        ),
        "adds into dstate_T": (
            with_slip(BACKWARD, "da = (dy[t] + dh)", "dh += dy[t]; da = dh"),
            r"an argument was changed: dstate_T\[0\]",
        ),
        "the slope at h_{t-1}": (
            with_slip(BACKWARD, "(1 - h[t + 1] ** 2)", "(1 - h[t] ** 2)"),
            "looks like the known error: derivative taken at h_{t-1}",
        ),
        "h_t for h_{t-1}": (
            with_slip(BACKWARD, '"nk,nh->kh", h[t], da', '"nk,nh->kh", h[t + 1], da'),
            "looks like the known error: dWh uses h_t",
        ),
    },
    {
        "no gradient handed on": (
            with_slip(PIECES, "dy[:3], dearly", "dy[:3]"),
            "dx of step 2 is wrong: what the second",
        ),
        "the state not carried on": (
            with_slip(PIECES, "x[3:], early", "x[3:]"),
            "dx of step 4 is wrong: the second piece begins in the state",
        ),
        "dh_T forgotten": (with_slip(PIECES, "dy[3:], (dh_T,)", "dy[3:]"), "dx of step 4 is wrong.*ends in dh_T"),
        "weights not added up": (
            with_slip(PIECES, 'grads["Wh"] + more["Wh"]', 'more["Wh"]'),
            "dWh is wrong, dx is right",
        ),
        "dh_0 of the second piece": (with_slip(PIECES, ", dh_0\n", ", dearly[0]\n"), "dh_0 is wrong"),
    },
]
