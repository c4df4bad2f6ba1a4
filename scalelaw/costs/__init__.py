"""A cost: what one query costs, with one model and any numbers of visual tokens. One file = one cost.

A query is a prompt of images and text and its generated answer. 1 FLOP = one multiply or one add (a
multiply-accumulate is 2). A cost file says in its docstring what it counts and what it leaves out, and holds

    kinds       {kind: unit in words}: what a budget may name (`flops`, `latency_ms`, ...), the unit in the name
    needs       what it cannot do without: any of "shape" (the LLM's layers and widths), "device",
                "price" (of its hour), "power" (of the device), "answer" (generated tokens)
    kind_needs  optional: {kind: needs} of single kinds, beside `needs`
    range_factors(kind, workload) -> (low, high)
                optional: what to multiply a kind with, for the 90% range of what is measured
    parts(n_params, shape, visual_tokens, workload) -> {part: array}
                n_params: parameters as the law counts them; shape: a `model_shapes.LLMShape`, or None where `needs`
                does not name it; visual_tokens: what the LLM sees of one image, a number or an array;
                workload: a `Workload` (costs/_workload.py). numpy only; every array field broadcasts.
    totals(parts, workload) -> {kind: array}
                optional: the kinds made from the parts; without it the one kind is the sum of the parts

Two files may give the same kind (`linear_flops` and `layer_flops` both give `flops`): `--cost` chooses, also
your own file (`--cost ./my_cost.py`). The tests of this folder find a new file by themselves.
"""
