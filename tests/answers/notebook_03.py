"""Can you trust a derivative: answers worked out without the library, wrong ones and what the check must say."""

HUNT = {"A": 4, "B": 0, "C": 2, "D": 1, "E": 5, "F": 3}
CHECKER = """
def my_check(layer):
    p, rng = random_problem(layer, seed=5), np.random.default_rng(6)
    start = [*p.params.values(), p.x, *p.state_0]
    towards = [rng.normal(size=a.shape) for a in start]
    *params, x = [a + 1e-20j * v for a, v in zip(start, towards)][: len(p.params) + 1]
    states = tuple(a + 1e-20j * v for a, v in zip(p.state_0, towards[len(p.params) + 1 :]))
    y, state_T, _ = layer.forward(dict(zip(p.params, params)), x, states, p.lengths)
    slope = sum((u * out.imag).sum() for u, out in zip((p.dy, *p.dstate_T), (y, *state_T))) / 1e-20
    cache = layer.forward(p.params, p.x, p.state_0, p.lengths)[2]
    dparams, dx, dstate_0 = layer.backward(p.params, cache, p.dy, p.dstate_T)
    grads = [*(dparams[name] for name in p.params), dx, *dstate_0]
    return abs(sum((g * v).sum() for g, v in zip(grads, towards)) - slope) < 1e-11
"""
RIGHT = [f"mine = {HUNT}", CHECKER]
LEAVES_A_WEIGHT_MOVED = """
def my_check(layer):
    p = random_problem(layer, ragged=False)
    loss = lambda: sum((u * o).sum() for u, o in zip((p.dy,), layer.forward(p.params, p.x, p.state_0)[:1]))
    cache = layer.forward(p.params, p.x, p.state_0)[2]
    right = layer.backward(p.params, cache, p.dy)[0]["Wh"][0, 0]
    p.params["Wh"][0, 0] += 1e-6
    up = loss()
    p.params["Wh"][0, 0] -= 1e-6
    return abs((up - loss()) / 2e-6 - right) < 1e-6
"""
WRONG = [
    {
        "two mixed up": (f"mine = {HUNT | {'A': 1, 'D': 4}}", "A: you say 'dc_0 misses f'.*Wh step 0"),
        "another gate": (f"mine = {HUNT | {'C': 3, 'F': 2}}", "C: you say 'do uses c.*Wx step 5 g"),
        "half done": ("mine = {'A': 4, 'B': 0}", "C: you say 'nothing yet'.*Wx step 5 g"),
    },
    {
        "zero initial state": ("my_check = lambda layer: feed(layer, zero=True).ok", "h_0 missing in dWh"),
        "nothing from the final state": (
            "my_check = lambda layer: feed(layer, final=False).ok",
            "gradient dh_T ignored",
        ),
        "weights only": ("my_check = lambda layer: feed(layer, only=weights).ok", "dc_0 misses f"),
        "two digits": ("my_check = lambda layer: feed(layer).worst.error < 1e-2", "23 of 26.*scale error 5e-4"),
        "never fails": ("my_check = lambda layer: True", "0 of 26 caught; not this one: final-state gradient"),
        "never passes": ("my_check = lambda layer: False", "false alarm: LSTM"),
        "leaves a weight moved": (LEAVES_A_WEIGHT_MOVED, "false alarm: LSTM"),
    },
]
