"""Texts, for sentiment and shift: tokens, control charts, the words that drive a change."""
