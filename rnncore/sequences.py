"""Ragged histories and minibatches."""
