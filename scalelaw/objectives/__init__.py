"""An objective: what a vision tower is pre-trained on. One file = one objective, with `Objective`, a torch Module."""
