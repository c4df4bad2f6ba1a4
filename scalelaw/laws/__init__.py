"""A law: error as a function of a model's size and what it sees. One file = one law; its file name is its name.

A law file holds plain names and one plain function:

    formula     the law in words and symbols, as printed under every fit
    source      where it is published: arXiv id and equation
    units       {input: unit}: the inputs; each is divided by its unit before the law sees it, so that
                parameters are comparable with publications (n_params: 1e9)
    bounds      {parameter: (low, high)} in the order in which parameters are reported
    linear      the parameters that enter linearly; the engine solves them inside
    predict     (inputs and parameters by name, in any order) -> error; numpy only, broadcasting
    gradient    optional, of the same arguments: the derivatives of predict, a dict by parameter or a tuple in the order
                of bounds (else: complex steps)
    search      optional: {parameter: (low, high)} where the nonlinear ones are looked for, or a function of the inputs
    derived     optional: parameters (a dict) -> a dict of derived quantities; numpy, for draws as for numbers
    signed      optional: the derived quantities that may be negative although no parameter may (a difference)
    variant     optional: an argument -> these names, for `law:argument` (bnsl:2 has two breaks)
    compared    optional: the arguments of the variants that are compared where laws are (`--law auto`)
    notes       optional: {parameter: what it means when it lies on its bound}

The tests of this folder find a new file by themselves.
"""
