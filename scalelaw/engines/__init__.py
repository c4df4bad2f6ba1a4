"""An engine: how a serving engine is started so that a plan comes true. One file = one engine.

An engine file defines

    __doc__       what it sets, from which source, and what it leaves out ("Sets:", "Leaves out:")
    VERSION       the engine's version whose options these are
    CHECKED       the date (YYYY-MM-DD) on which they were compared with that version
    FLAGS         {option: what it sets}: every option of the command line that `serve` may write
    REQUEST       {field: what it sets}: every field of a request that `serve` may write
    serve(deployment) -> Serving
                  the command line and the request fields. What the engine cannot do is an InputError (code
                  `engine_cannot`) where the plan would not come true, or a warning where the client has to help;
                  nothing of a deployment is left out in silence

and, where the engine divides the memory of a card itself,

    memory(deployment, ...) -> Memory
                  tokens that fit its KV cache, and how many requests of full length that is

A deployment (`_contract.Deployment`) is plain numbers: an engine file knows no family of models. What is shared lies
in the files that start with `_`. The contract test of this folder finds a new file by itself.
"""
