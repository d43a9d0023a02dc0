"""Marketing tasks over one event log: thin estimators on top of the engine, each judged against simple rivals."""

from rnncore.marketing.churn import Churn
from rnncore.marketing.clv import CLV
from rnncore.marketing.contract_churn import ContractChurn
from rnncore.marketing.demand import Demand
from rnncore.marketing.events import EventLog
from rnncore.marketing.hazard import ChurnHazard
from rnncore.marketing.journey import Journey
from rnncore.marketing.next_purchase import NextPurchase
from rnncore.marketing.outcome import Outcome
from rnncore.marketing.outcome_kind import OutcomeKind
from rnncore.marketing.segments import Segments
from rnncore.marketing.sentiment import Sentiment
from rnncore.marketing.shift import SentimentShift, watch
from rnncore.marketing.subscriptions import Subscriptions

__all__ = [
    "CLV",
    "Churn",
    "ChurnHazard",
    "ContractChurn",
    "Demand",
    "EventLog",
    "Journey",
    "NextPurchase",
    "Outcome",
    "OutcomeKind",
    "Segments",
    "Sentiment",
    "SentimentShift",
    "Subscriptions",
    "watch",
]
