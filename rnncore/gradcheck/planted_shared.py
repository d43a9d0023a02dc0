"""Planted errors of lines that several variants of the LSTM share; what an entry is, says `planted`."""

from __future__ import annotations

Edit = tuple[str, str, str]

DSTATE = "dh, dc = (d.copy() for d in dstate_T)"
DH = "dh_t = dy[t, :n] + dh[:n]"
DWH = "dWh += h[t, :n].T @ da"
DA = "da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)"
DC = "dc[:n] = dc_t * f"
LIVE = "n = live[t]\n        i, f, g, o"
CARRY = "dh[:n] = da @ Wh.T"
STEPS = "for t in reversed(range(T))"

STATES: list[Edit] = [
    ("final-state gradient dh_T ignored", DSTATE, f"{DSTATE}; dh[:] = 0"),
    ("final-state gradient dc_T ignored", DSTATE, f"{DSTATE}; dc[:] = 0"),
    ("dy only at the last step", DH, "dh_t = (dy[t, :n] if t == T - 1 else 0) + dh[:n]"),
    ("derivative of tanh as 1 - g", "da_g = dg * dtanh(g)", "da_g = dg * (1 - g)"),
    ("the first step is skipped", STEPS, "for t in reversed(range(1, T))"),
]

NO_CARRY: Edit = ("no carry of dh", DH, "dh_t = dy[t, :n] + (dh[:n] if t == T - 1 else 0)")

IN_TIME: list[Edit] = [
    NO_CARRY,
    ("truncated after 3 steps", CARRY, f"{CARRY}; dh[:] *= t != T - 3; dc[:] *= t != T - 3"),
    ("finished rows lose their gradient", CARRY, f"{CARRY}; dh[n:] = 0"),
]

WEIGHTS: list[Edit] = [
    ("h_0 missing in dWh", DWH, f"{DWH} if t else 0"),
    ("dWh uses h_t", DWH, "dWh += h[t + 1, :n].T @ da"),
    ("db from the first sequence only", "db += da.sum(axis=0)", "db += da[:1].sum(axis=0)"),
]

THROUGH_TANH: list[Edit] = [
    ("do uses c, not tanh(c)", "do = dh_t * s", "do = dh_t * c[t + 1, :n]"),
    ("no derivative of tanh(c)", "dh_t * o * dtanh(s)", "dh_t * o"),
    ("no path from h through tanh to c", "dc_t = dc[:n] + dh_t * o * dtanh(s)", "dc_t = dc[:n]"),
]

# of cells with four gates i f g o

BLOCKS: list[Edit] = [
    ("i and f swapped", DA, "da = np.concatenate([da_f, da_i, da_g, da_o], axis=1)"),
    ("rows go on past their end", LIVE, LIVE.replace("live[t]", "N")),
]

SIGMOIDS: list[Edit] = [
    ("derivative of the sigmoid misses 1 - s", "di * dsigmoid(i)", "di * i"),
    ("df misses the sigmoid's derivative", "df * dsigmoid(f)", "df"),
    ("do misses the sigmoid's derivative", "do * dsigmoid(o)", "do"),
]

MEMORY: list[Edit] = [
    ("di and dg swapped", "di, dg = dc_t * g, dc_t * i", "di, dg = dc_t * i, dc_t * g"),
    ("c_{t-1} taken as c_t", "df = dc_t * c[t, :n]", "df = dc_t * c[t + 1, :n]"),
    ("carry of dc uses i", DC, "dc[:n] = dc_t * i"),
    ("dc of a finished row is dropped", DC, f"{DC}; dc[n:] = 0"),
    ("accumulated in float32", DA, f"{DA}.astype(np.float32)"),
]
