"""A dataset: images, captions, questions and answers. One file = one dataset.

A dataset file defines a class `Dataset` and needs no torch:

    Dataset(seed, **options)          raises InputError for an option it does not know
        image_size                    (height, width) in pixels
        benchmarks                    {benchmark: task family}: what is scored, each reported apart
        words                         every word of its texts, sorted: the vocabulary of LLMs trained from scratch
    images(split, indices)            uint8 array [n, height, width, 3]
    examples(split, indices, turn=0)  a list of n `Example`: one question about each of these images;
                                      another `turn` asks another question about the same image

`split` is one of `captions` (the tower's pre-training), `text` (the LLM's training on text: the caption stands
for the image), `train` (the cells), `dev` (to tune on) and `test` (to report on). The same arguments give the same
result on every machine. Questions of `dev` and `test` are never among the others; there, the benchmarks alternate
by index, so that the first n x (number of benchmarks) indices hold n of each.
The contract tests run for every file of this package.

A dataset of conversations, for models made of pretrained parts, defines a class `Conversations` instead:

    Conversations(seed, **options)    its index: what can be used (`records`), what was left out and why (`left_out`),
                                      and a hash of the former (`digest`)
    rows(start, count)                the records of an endless run through the epochs, in the seed's order
    records[i].turns, pictures(i)     a conversation {from, value} and its images
"""
