"""Scaling laws: the error as a function of model size, visual tokens and data. One file is one law of the same name.

A law file defines plain names and one plain function:

    formula     the law as printed under every fit
    source      where it is published: arXiv id and equation
    units       {input: unit}: the inputs; each is divided by its unit before the law sees it, so that
                parameters are comparable with publications (n_params: 1e9)
    bounds      {parameter: (low, high)} in the order in which parameters are reported
    linear      the parameters that enter linearly; the solver eliminates them
    predict     (inputs and parameters by name, in any order) -> error; numpy only, broadcasting
    gradient    optional, of the same arguments: the derivatives of predict, a dict by parameter or a tuple in the order
                of bounds (else: complex steps)
    search      optional: {parameter: (low, high)}, the search box of the nonlinear ones, or a function of the inputs
    derived     optional: parameters (a dict) -> a dict of derived quantities; numpy, for draws as for numbers
    signed      optional: derived quantities that may be negative although no parameter may (a difference)
    implied     optional: {derived quantity: (another, a decreasing function of it)}: where the quantity is infinite,
                its interval comes from the other's
    variant     optional: an argument -> these names, for `law:argument` (bnsl:2 has two breaks)
    compared    optional: arguments of the variants that are compared with other laws (`--law auto`)
    notes       optional: {parameter: interpretation when it lies on its bound}

The tests of this folder discover new files.
"""

DEFAULT = "product_power"
"""The law of a fit that names none."""
