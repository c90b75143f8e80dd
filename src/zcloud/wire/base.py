"""What all shapes are made of: the request base and bounded texts, numbers and lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

T = TypeVar("T")

REF_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
LINE_PATTERN = r"^[^\x00-\x1f\x7f]*$"
TEXT_PATTERN = r"^[^\x00]*$"


def _only_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be a time in ISO 8601 with its zone")
    return value


Name = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
Ref = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=REF_PATTERN)]  # a name or an id
OptionalRef = Annotated[str, StringConstraints(max_length=80, pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")]
Line = Annotated[str, StringConstraints(max_length=255, pattern=LINE_PATTERN)]
LongLine = Annotated[str, StringConstraints(max_length=2000, pattern=LINE_PATTERN)]
Checksum = Annotated[str, Field(max_length=135, pattern=r"^((sha256|sha512):[0-9a-f]{64,128})?$")]
Text = Annotated[str, StringConstraints(max_length=256 << 10, pattern=TEXT_PATTERN)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=TEXT_PATTERN)]
Address = Annotated[str, StringConstraints(max_length=45, pattern=r"^[0-9A-Fa-f:.]*$")]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=LINE_PATTERN)]
Count = Annotated[int, Field(strict=True, ge=0, le=1 << 31)]
Bytes = Annotated[int, Field(strict=True, ge=0, le=1 << 60)]
Ratio = Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Seconds = Annotated[int, Field(strict=True, ge=1, le=86400)]
Time = Annotated[AwareDatetime, BeforeValidator(_only_text)]
RoleName = Literal["admin", "operator", "member", "viewer"]
OptionName = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z0-9_]+$")]
Options = Annotated[
    dict[
        OptionName,
        Annotated[bool, Field(strict=True)] | Bytes | LongLine,
    ],
    Field(max_length=32),
]


class Request(BaseModel):
    """A request's body: unknown fields are refused; neither errors nor logs repeat what was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show no value: some are secret."""
        return iter(())


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """Part of a list; ``next_cursor`` asks for the next part (null: that was all), ``total`` comes with ``count``."""

    items: tuple[T, ...]
    next_cursor: str | None = None
    total: int | None = None
