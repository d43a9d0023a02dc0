"""One step with a pencil: answers worked out without the library, then wrong ones and what the check must say."""

RNN = {
    **{"dy_3": 0.5, "dh_3": 0.5, "da_3": 0.375, "dy_2": -0.2, "dh_2": -0.0125, "da_2": -0.0045},
    **{"dy_1": 0.6, "dh_1": 0.59775, "da_1": 0.38256, "dh_0": 0.19128, "dwh": 0.10602, "db": 0.75306},
}
LSTM = {"dc": 0.32, "da_o": 0.15, "da_i": 0.03072, "da_f": 0.00682, "da_g": 0.16384, "dc_prev": 0.288}

RIGHT = [f"mine = {RNN}", f"mine_lstm = {LSTM}"]


def rnn(**slips):
    return f"mine = {RNN | slips}"


def lstm(**slips):
    return f"mine_lstm = {LSTM | slips}"


no_carry = rnn(dh_2=-0.2, da_2=-0.072, dh_1=0.6, da_1=0.384, dh_0=0.192, dwh=0.0648, db=0.687)
WRONG = [
    {
        "no carry": (no_carry, "dh_2.*that is dy_2 alone"),
        "a carry without w_h": (rnn(dh_2=-0.2 + 0.375), "dh_2.*da_3 comes back times w_h"),
        "h_t for h_{t-1}": (rnn(dwh=0.38256 * 0.6 - 0.0045 * 0.8 + 0.375 * 0.5), "dwh.*h_t instead of h_{t-1}"),
        "no 1 - h^2": (rnn(da_3=0.5, dh_2=0.05), "da_3.*1 - h\\^2 is missing"),
        "1 - h": (rnn(da_3=0.25), "da_3.*1 - h instead"),
        "h_0 taken as 0": (rnn(dwh=0.2973), "dwh.*h_0 is not 0"),
        "h_0 with the wrong sign": (rnn(dwh=0.48858), "dwh.*takes h_0 for 1/2"),
        "target minus output": (rnn(dy_3=-0.5, dh_3=-0.5), "dy_3.*turned round"),
        "dh_0 without w_h": (rnn(dh_0=0.38256), "dh_0.*times w_h"),
        "db sums dh": (rnn(db=0.5 - 0.0125 + 0.59775), "db.*sum of dh"),
        "rounded too soon": (rnn(da_1=0.383), r"da_1: look at \(2'\); .*\(expected 0.38256"),
        "no slip that is known": (rnn(dwh=0.29), r"dwh: look at \(1'\); .*\(expected 0.10602, got 0.29000"),
        "not a number": ("mine = by_library | {'da_2': float('nan')}", "da_2"),
        "half done": ("mine = {'dy_3': 0.5, 'dh_3': 0.5}", "da_3 is empty; the 2 numbers before it are right"),
    },
    {
        "c for tanh(c)": (lstm(da_o=0.17329), "da_o.*c instead of tanh"),
        "no tanh(c)": (lstm(da_o=0.25), "da_o.*no tanh"),
        "no slip that is known": (lstm(da_g=0.1), r"da_g: look at \(4'\), then \(3'\)"),
        "no slope of tanh(c)": (lstm(dc=0.5), "dc.*1 - tanh"),
        "no slope of the sigmoid": (lstm(da_i=0.192), "da_i.*slope"),
        "i and f swapped": (lstm(da_i=0.00682, da_f=0.03072), "da_i.*swapped"),
        "c_t for c_{t-1}": (lstm(da_f=0.01996), "da_f.*c_t, not c_"),
        "g as a sigmoid": (lstm(da_g=0.06144), "da_g.*tanh"),
        "carry through i": (lstm(dc_prev=0.256), "dc_prev.*multiplied by f"),
    },
]
