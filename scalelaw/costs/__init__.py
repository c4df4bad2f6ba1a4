"""A cost: what one query costs with a model and a number of visual tokens. One file = one cost.

Each file states what it counts and what it leaves out. Convention: 1 FLOP = one multiply or one add.
"""
