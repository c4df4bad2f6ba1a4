"""A compressor: it turns the tower's patches into fewer visual tokens. One file = one compressor.

A compressor file defines

    allowed_tokens(grid) -> list[int]
        the numbers of tokens it can give for a grid of (height, width) patches, falling.

    class Compressor(torch.nn.Module)
        Compressor(grid, width, width_multi, visual_tokens, text_width, **options)
            grid: (height, width) in patches; width: of the tower's hidden state; width_multi: of several hidden states
            side by side; visual_tokens: tokens per image; text_width: width of the LLM's hidden state.
            Raises InputError for a number of tokens it cannot give (naming those it can) and for an unknown option.
        reads_question: bool          whether it needs the question's state (a pass of the question through the LLM)
        forward(patches, patches_multi, question) -> Float[Tensor, "batch visual_tokens width"]
            patches: Float[Tensor, "batch height*width width"], row-major; patches_multi: the same with width_multi;
            question: Float[Tensor, "batch text_width"], or None where `reads_question` is False.
        flops() -> float              products of one image's forward pass (1 FLOP = one multiply or one add)

and, where it needs them,

        image_grid: (height, width)   it wants the patches of an image made that small, not of the whole one
        reads_attention = True        forward takes a fourth argument, attention: Float[Tensor, "batch height*width"],
                                      how much the tower attends to each patch
        training_tokens: (int, ...)   one model for many numbers of tokens: each training step sets its `visual_tokens`
                                      to one of these, drawn by the seed; evaluation to the one that is asked for

The tests of this folder find a new file by themselves.
"""
