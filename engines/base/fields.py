"""Field types that requests share, bounded so that no result can overflow."""

from typing import Annotated

from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Amount = Annotated[float, Meta(ge=-1e15, le=1e15)]
Quantity = Annotated[float, Meta(ge=-1e12, le=1e12)]
Price = Annotated[float, Meta(ge=1e-9, le=1e15)]
Return = Annotated[float, Meta(ge=-1, le=1e3)]
