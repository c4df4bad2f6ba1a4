from scalelaw.errors import FailedCells, InputError, MissingDependency, NoAnswer, unknown


def test_each_kind_of_trouble_has_its_exit_code() -> None:
    assert [kind.exit_code for kind in (InputError, NoAnswer, FailedCells, MissingDependency)] == [2, 3, 4, 5]


def test_an_unknown_name_is_answered_with_the_nearest_and_with_all() -> None:
    error = unknown("law", "product_pwoer", ["product_power", "additive_power"])
    assert "Did you mean 'product_power'?" in error.message
    assert "additive_power, product_power" in error.hint
    assert error.code == "unknown_law"


def test_a_name_like_none_of_them_gets_no_guess() -> None:
    assert "Did you mean" not in unknown("law", "zzz", ["product_power"]).message


def test_a_sentence_of_another_library_keeps_one_full_stop() -> None:
    assert (
        InputError("t.csv cannot be read: no line.\n.", code="x").message == "t.csv cannot be read: no line."
    )
    assert InputError("It is no table: bytes..", code="x").message == "It is no table: bytes."
    assert InputError("and so on ...", code="x").message == "and so on ..."
