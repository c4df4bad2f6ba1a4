"""A compressor: it turns the tower's patches into fewer visual tokens. One file = one compressor.

A compressor file defines `Compressor`, a torch Module:

    Compressor(grid, width, width_multi, visual_tokens, text_width, **options)
        grid: (height, width) in patches; width: of the tower; width_multi: of the concatenated hidden states;
        visual_tokens: tokens per image; text_width: width of the LLM's hidden state (for those that read the question).
        Raises InputError for a number of tokens it cannot give, naming those it can.
    forward(patches, patches_multi, question) -> Float[Tensor, "batch visual_tokens width"]
        patches: Float[Tensor, "batch grid width"], patches_multi: Float[Tensor, "batch grid width_multi"],
        question: Float[Tensor, "batch text_width"] or None where `reads_question` is False.

and `allowed_tokens(grid) -> list[int]`, `reads_question: bool`, `flops(...)`. The tests of this folder find a new file by themselves.
"""
