"""Customers who buy and subscribe, for clv, subscriptions and next-purchase: weeks, futures, models of probability."""
