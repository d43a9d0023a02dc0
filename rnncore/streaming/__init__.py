"""Prediction one event at a time: a model, its weights, and the state of every customer who has been seen.

A recurrent network needs no history to go on, only its state. So what the whole history would give is had for the price
of one step: a few microseconds, however long the history. `Stream` keeps the states, `save_stream` and `load_stream`
keep it on disk. `predict` runs whole histories and leaves out what only training needs; `futures` draws how they
may go on.
"""

from rnncore.streaming.files import load_stream, save_stream
from rnncore.streaming.futures import futures
from rnncore.streaming.stream import Stream
from rnncore.streaming.whole import predict

__all__ = ["Stream", "futures", "load_stream", "predict", "save_stream"]
