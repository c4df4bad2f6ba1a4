"""A dataset: images, captions, questions and answers. One file = one dataset, with `Dataset`."""
