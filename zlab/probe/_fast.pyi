from collections.abc import Callable
from typing import Any

from zlab.probe.meter import PlainMeter

SOURCE: str

class Meter(PlainMeter): ...

def key_of(body: bytes | memoryview, /) -> int: ...
def sender(
    meter: PlainMeter, raw: Callable[..., Any], slow: Callable[..., Any], quiet: bool, /
) -> Callable[..., Any]: ...
def receiver(
    meter: PlainMeter,
    raw: Callable[..., Any],
    get: Callable[..., Any],
    slow: Callable[..., Any],
    late: Callable[..., Any],
    /,
) -> Callable[..., Any]: ...
