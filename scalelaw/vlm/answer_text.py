"""The text of an answer as the VQA evaluations compare it (VQA v2, arXiv 1612.00837; TextVQA, arXiv 1904.08920).

The rules are those of the public evaluation code, so that scores can be compared with published ones: punctuation,
periods outside of numbers, number words, articles, contractions without their apostrophe.
"""

from __future__ import annotations

import re

ARTICLES = ("a", "an", "the")
DIGITS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
          "seven": "7", "eight": "8", "nine": "9", "ten": "10"}  # fmt: skip
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
"""Not the colon and not the apostrophe: they stay."""
_PERIOD = re.compile(r"(?!<=\d)(\.)(?!\d)")
_MOST_PERIODS = int(re.UNICODE)
"""The evaluation code passes this flag in the place of a count, so that only so many periods are removed."""
_COMMA = re.compile(r"(\d)(,)(\d)")

_CONTRACTIONS = """
aint:ain't arent:aren't cant:can't couldve:could've couldnt:couldn't couldn'tve:couldn't've couldnt've:couldn't've
didnt:didn't doesnt:doesn't dont:don't hadnt:hadn't hadnt've:hadn't've hadn'tve:hadn't've hasnt:hasn't havent:haven't
hed:he'd hed've:he'd've he'dve:he'd've hes:he's howd:how'd howll:how'll hows:how's isnt:isn't itd:it'd itd've:it'd've
it'dve:it'd've itll:it'll let's:let's maam:ma'am mightnt:mightn't mightnt've:mightn't've mightn'tve:mightn't've
mightve:might've mustnt:mustn't mustve:must've neednt:needn't notve:not've oclock:o'clock oughtnt:oughtn't
ow's'at:'ow's'at 'ows'at:'ow's'at 'ow'sat:'ow's'at shant:shan't shed've:she'd've she'dve:she'd've she's:she's
shouldve:should've shouldnt:shouldn't shouldnt've:shouldn't've shouldn'tve:shouldn't've somebody'd:somebodyd
somebodyd've:somebody'd've somebody'dve:somebody'd've somebodyll:somebody'll somebodys:somebody's someoned:someone'd
someoned've:someone'd've someone'dve:someone'd've someonell:someone'll someones:someone's somethingd:something'd
somethingd've:something'd've something'dve:something'd've somethingll:something'll thats:that's thered:there'd
thered've:there'd've there'dve:there'd've therere:there're theres:there's theyd:they'd theyd've:they'd've
they'dve:they'd've theyll:they'll theyre:they're theyve:they've twas:'twas wasnt:wasn't wed've:we'd've we'dve:we'd've
weve:we've werent:weren't whatll:what'll whatre:what're whats:what's whatve:what've whens:when's whered:where'd
wheres:where's whereve:where've whod:who'd whod've:who'd've who'dve:who'd've wholl:who'll whos:who's whove:who've
whyll:why'll whyre:why're whys:why's wont:won't wouldve:would've wouldnt:wouldn't wouldnt've:wouldn't've
wouldn'tve:wouldn't've yall:y'all yall'll:y'all'll y'allll:y'all'll yall'd've:y'all'd've y'alld've:y'all'd've
y'all'dve:y'all'd've youd:you'd youd've:you'd've you'dve:you'd've youll:you'll youre:you're youve:you've
"""
CONTRACTIONS = dict(pair.split(":") for pair in _CONTRACTIONS.split())


def vqa_text(text: str) -> str:
    """An answer as the evaluation of VQA v2 normalizes it: `Two dogs!` -> `2 dogs`, `1,000` -> `1000`."""
    return _words(_without_punctuation(text.replace("\n", " ").replace("\t", " ").strip()))


def textvqa_text(text: str) -> str:
    """An answer as the evaluation of TextVQA normalizes it: commas and question marks first, `'s` a word of its own."""
    return vqa_text(text.lower().replace(",", "").replace("?", "").replace("'s", " 's"))


def _without_punctuation(text: str) -> str:
    out, thousands = text, _COMMA.search(text) is not None
    for mark in PUNCTUATION:
        beside_a_blank = f"{mark} " in text or f" {mark}" in text
        out = out.replace(mark, "" if beside_a_blank or thousands else " ")
    return _PERIOD.sub("", out, _MOST_PERIODS)


def _words(text: str) -> str:
    words = [DIGITS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)
