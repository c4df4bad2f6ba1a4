"""From points and a law to a fitted law, and what of it may be believed."""
