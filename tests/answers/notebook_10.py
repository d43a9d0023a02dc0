"""Attention: a backward pass and a statistic of one's own, wrong ones and what the check must say."""

BACKWARD = """
def my_backward(params, cache, dy):
    x, k, w, q, A = cache.x, cache.keys, cache.weights[..., 0], params["q"], len(params["q"])
    dw = np.einsum("nd,tnd->tn", dy, x)
    dx = np.einsum("tn,nd->tnd", w, dy)
    de = w * (dw - np.einsum("tn,tn->n", w, dw))
    dk = np.einsum("tn,a->tna", de, q) / np.sqrt(A)
    dq = np.einsum("tn,tna->a", de, k) / np.sqrt(A)
    dx = dx + np.einsum("tna,da->tnd", dk, params["Wk"])
    return {"Wk": np.einsum("tnd,tna->da", x, dk), "q": dq}, dx
"""
STATISTIC = """
def my_statistic(w, marks):
    T, N = w.shape
    return float(np.mean([w[marks[:, n] == 1, n].sum() * T / marks[:, n].sum() for n in range(N)]))
"""
RIGHT = [BACKWARD, STATISTIC]


def with_slip(source, right, wrong):
    assert right in source
    return source.replace(right, wrong)


WRONG = [
    {
        "the sum forgotten": (with_slip(BACKWARD, ' - np.einsum("tn,tn->n", w, dw)', ""), "FAIL +Wk .*FAIL +q "),
        "value only": (with_slip(BACKWARD, "dx = dx + np", "unused = np"), "ok +Wk .*FAIL +x "),
        "key only": (with_slip(BACKWARD, "dx = dx + ", "dx = "), "ok +Wk .*ok +q .*FAIL +x "),
        "no root of A": (with_slip(BACKWARD, "de, k) / np.sqrt(A)", "de, k)"), "ok +Wk .*FAIL +q "),
        "no root of A anywhere": (BACKWARD.replace(" / np.sqrt(A)", ""), "gradient of the scores not scaled"),
        "writes into dy": (
            with_slip(BACKWARD, "    dw = ", "    dy *= 2\n    dw = "),
            "an argument was changed: dy",
        ),
    },
    {
        "the mass itself": ("my_statistic = lambda w, marks: (w * marks).sum(axis=0).mean()", "at T = 20 give 0.100"),
        "the largest weight": (
            "my_statistic = lambda w, marks: (w.max(axis=0) * len(w)).mean()",
            "beside the marks .* does not look at the marks",
        ),
        "for one length": ("my_statistic = lambda w, marks: 25 * (w * marks).sum(axis=0).mean()", "at T = 20 give 2.5"),
        "always 1": ("my_statistic = lambda w, marks: 1.0", "the model over inputs gives 1.00"),
        "not a number": ("my_statistic = lambda w, marks: np.nan", "at T = 20 give nan"),
    },
]
