"""Breaking: the faults that a person can bring about by mouse, each with its main setting, and those that are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zlab import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zlab.faults.fault import Fault
    from zlab.ledger.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Dish:
    """One entry of the menu."""

    make: Callable[[Any], Fault]
    """Makes the fault of its main setting."""
    setting: str = ""
    """What its main setting is, with its unit; "" where there is none."""
    value: float | str = ""
    """Where that begins."""


MENU: Mapping[str, Dish] = {
    "Freeze": Dish(lambda _: faults.Freeze()),
    "Delay": Dish(lambda seconds: faults.Delay(float(seconds)), "seconds", 0.2),
    "SlowConsumer": Dish(lambda rate: faults.SlowConsumer(float(rate)), "messages/s", 5),
    "SlowJoiner": Dish(lambda seconds: faults.SlowJoiner(float(seconds)), "seconds", 1),
    "Drop": Dish(lambda part: faults.Drop(float(part)), "probability", 0.2),
    "Duplicate": Dish(lambda part: faults.Duplicate(float(part)), "probability", 0.2),
    "Cut": Dish(lambda _: faults.Cut()),
    "Reset": Dish(lambda _: faults.Reset()),
    "Partition": Dish(lambda _: faults.Partition()),
    "OneWay": Dish(lambda _: faults.OneWay()),
    "Latency": Dish(lambda seconds: faults.Latency(float(seconds)), "seconds", 0.2),
    "Bandwidth": Dish(lambda limit: faults.Bandwidth(float(limit)), "bytes/s", 10_000),
    "Option": Dish(lambda words: _option(str(words)), "option=value", "sndhwm=10"),
}
"""By name, in the order in which they are offered; to kill and to restart a node there are buttons."""


def _option(words: str) -> Fault:
    name, sign, value = (part.strip() for part in words.partition("="))
    if not sign:
        raise ValueError(f"{words!r}: give an option and its value, such as sndhwm=10")
    return faults.Option(name, int(value) if value.lstrip("-").isdecimal() else value)


def fault(name: str, value: object) -> Fault:
    """The fault of that name, with its main setting.

    Raises:
        KeyError: there is none on the menu.
        ValueError: a setting that makes no sense.
    """
    return MENU[name].make(value)


def menu() -> list[list[Any]]:
    """The menu as the browser shows it: names, settings and where these begin."""
    return [[name, dish.setting, dish.value] for name, dish in MENU.items()]


def marks(snapshot: Snapshot) -> list[list[Any]]:
    """The faults that are on, as the browser shows them: number, words, target, and what is marked, by index."""
    nodes = {node.name: i for i, node in enumerate(snapshot.nodes)}
    links = {link.name: i for i, link in enumerate(snapshot.links)}
    return [
        [each.number, each.fault, each.target, [nodes[n] for n in each.nodes], [links[k] for k in each.links]]
        for each in snapshot.faults
    ]
