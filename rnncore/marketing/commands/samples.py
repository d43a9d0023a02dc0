"""Rows that each task can read: task -> file -> the first lines of it, with the columns that the task's example names.

`rnncore tasks TASK` shows them. Real logs are longer: a task says how long where one is too short.
"""

from __future__ import annotations

_BOUGHT = "client_id,bought_at,amount\nc017,2024-03-01,25.90\nc017,2024-03-19,8.50\nc242,2024-03-02,112.00\n"

SAMPLES: dict[str, dict[str, str]] = {
    "churn": {"shop.csv": _BOUGHT},
    "churn-hazard": {"shop.csv": _BOUGHT},
    "clv": {"shop.csv": _BOUGHT},
    "segments": {"shop.csv": _BOUGHT},
    "contract-churn": {
        "contracts.csv": "id,day,what\na1,2024-01-05,started\na1,2024-02-05,paid\nb7,2024-03-11,cancelled\n"
    },
    "next-purchase": {
        "shop.csv": "client_id,bought_at,product\nc017,2024-03-01 09:14,tea\nc017,2024-03-01 09:16,cup\n"
        "c242,2024-03-02 18:40,lamp\n"
    },
    "outcome": {
        "orders.csv": "client_id,ordered_at,amount,shop,returned\nc017,2024-03-01,25.90,web,no\n"
        "c242,2024-03-02,112.00,store,yes\nc242,2024-04-02,19.00,web,\n"
    },
    "outcome-kind": {
        "calls.csv": "client_id,called_at,line,result\nc017,2024-03-01 10:00,mobile,sold\n"
        "c242,2024-03-02 11:30,home,refused\nc242,2024-03-09 15:20,home,later\n"
    },
    "demand": {
        "sales.csv": "shop,day,sold\nnorth,2024-03-01,112\nnorth,2024-03-02,140\nsouth,2024-03-01,61\n",
        "holidays.csv": "day,holiday,price\n2024-03-01,no,9.90\n2024-03-02,no,9.90\n2024-03-09,Women's Day,7.90\n",
    },
    "journey": {
        "touches.csv": "id,at,what,way\na1,2024-03-01 08:30,visit,search\na1,2024-03-04 20:15,click,mail\n"
        "a1,2024-03-04 20:31,purchase,\n"
    },
    "sentiment": {
        "tweets.csv": "airline,created,text,sentiment\nBlue,2024-03-01 08:30,thanks for the early flight,positive\n"
        'Blue,2024-03-01 09:02,"two hours late, again",negative\nRed,2024-03-01 09:40,is gate 7 open?,neutral\n'
    },
    "subscriptions": {
        "payments.csv": "id,day,what,price,plan\na1,2024-01-05,paid,9.90,basic\na1,2024-02-05,paid,9.90,basic\n"
        "b7,2024-03-11,cancelled,0,family\n"
    },
}
