"""Options that are secrets: apart from the others, and of one line."""

from __future__ import annotations

import pytest

from zcloud.domain.driver import Option, OptionType, check_options, without_secrets
from zcloud.domain.errors import InvalidInput

OPTIONS = (Option("pool", OptionType.TEXT, "", "vms"), Option("key", OptionType.SECRET, "", ""))


def test_secrets_are_apart_from_what_may_be_seen() -> None:
    assert without_secrets(OPTIONS, check_options(OPTIONS, {"key": "hidden"})) == ({"pool": "vms"}, {"key": "hidden"})
    assert without_secrets(OPTIONS, check_options(OPTIONS, {})) == ({"pool": "vms"}, {})


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "x" * 513, 7, "\x00"])
def test_a_secret_is_one_line_and_not_repeated_in_its_refusal(value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_options(OPTIONS, {"key": value})
    assert str(value) not in refused.value.message.replace("'key'", "") or value == 7
