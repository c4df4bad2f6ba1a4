"""From a fitted law, costs and budgets to the configuration to deploy."""
