"""A family: how an image or a video of a vision-language model becomes visual tokens. One file = one family.

A family file defines

    __doc__       the formula, its source, what is counted ("Counts:") and what is left out ("Leaves out:")
    MODEL_TYPES   the values of `model_type` in a config.json that this family serves
    SETTINGS      (Setting, ...): every number that the count depends on, each with its meaning, unit, default, range or
                  allowed values, and where a model's files give it. A setting with `knob=True` may be changed by the
                  user; one with `knob=False` belongs to the weights and is read from the files only
    count_image(width, height, settings) -> Counted
                  sizes in pixels; `settings` holds a value for each name in SETTINGS; raises InputError with the code
                  `refused_image` for an image that the model's own processor refuses, and never anything else

and, where the family has them,

    count_video(frames, width, height, settings) -> Counted
                  for the frames that the model is shown, after any sampling; `refused_video` where its processor
                  refuses
    TOGETHER = True        count_image takes a fourth argument: how many images stand in the prompt
    CROSS_ATTENTION = True the visual tokens are read by cross-attention and take no place in the LLM's sequence
    vision_shape(vision, top, text_width) -> VisionShape
                           encoder and projector in closed form (`model_shapes/vision.py`), from the fields of the
                           vision part, those beside it, and the width of the LLM
    from_files(files)      further values, where a model's files have to be combined to know one
    STEP(settings) -> int  sides are multiples of this, so an image that loses half of it by rounding is not reduced

A family file imports neither torch nor transformers. The numbers are those of the processors in transformers, with
which the tests compare every family on random sizes; parameters and FLOPs of `vision_shape` are what torch counts on a
small model of the family (`tests/families/vision_models.py`), to the last digit; an encoder that transformers takes
from another package is compared with what torch counted there (`tests/families/known_vision`). Without `vision_shape`
costs need an encoder by name. A family that cannot be compared is not added. What is shared
lies in the files that start with `_`. The tests of this folder find a new file by themselves and refuse one that has
no processor to be compared with.
"""
