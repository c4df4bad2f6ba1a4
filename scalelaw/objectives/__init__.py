"""An objective: what a vision tower is pre-trained on. One file = one objective.

An objective file defines

    class Objective(torch.nn.Module)
        Objective(width, vocab, special, **options)
            width: of the tower's last hidden state; vocab: number of token ids; special: ids that are no words
            (padding, start, end, unknown, image).
        forward(patches, captions) -> a scalar loss, mean over the batch
            patches: Float[Tensor, "batch patches width"], the tower's last hidden state;
            captions: Int[Tensor, "batch length"], token ids, padded with a special id.

What it learns beside the tower (a head, a text encoder) is its own and is thrown away.
The tests of this folder find a new file by themselves.
"""
