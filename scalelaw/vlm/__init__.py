"""The vision-language model: built, trained, scored."""
