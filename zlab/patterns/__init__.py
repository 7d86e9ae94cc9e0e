"""Patterns of the ZeroMQ Guide: each builds a `zlab.Topology`, and can be tried and judged."""

from typing import TYPE_CHECKING

from zlab.patterns.async_server import async_server
from zlab.patterns.binary_star import binary_star
from zlab.patterns.black_box import black_box
from zlab.patterns.broker import broker
from zlab.patterns.clone_five import clone_five
from zlab.patterns.clone_four import clone_four
from zlab.patterns.clone_one import clone_one
from zlab.patterns.clone_six import clone_six
from zlab.patterns.clone_three import clone_three
from zlab.patterns.clone_two import clone_two
from zlab.patterns.espresso import espresso
from zlab.patterns.exclusive_pair import exclusive_pair
from zlab.patterns.file_transfer import file_transfer
from zlab.patterns.forwarder import forwarder
from zlab.patterns.freelance_one import freelance_one
from zlab.patterns.freelance_three import freelance_three
from zlab.patterns.freelance_two import freelance_two
from zlab.patterns.inter_broker_routing import inter_broker_routing
from zlab.patterns.ironhouse import ironhouse
from zlab.patterns.kill_signaling import kill_signaling
from zlab.patterns.last_value_cache import last_value_cache
from zlab.patterns.lazy_pirate import lazy_pirate
from zlab.patterns.load_balancing_broker import load_balancing_broker
from zlab.patterns.majordomo import majordomo
from zlab.patterns.multithreaded_server import multithreaded_server
from zlab.patterns.node_coordination import node_coordination
from zlab.patterns.paranoid_pirate import paranoid_pirate
from zlab.patterns.pipeline import pipeline
from zlab.patterns.pub_sub import pub_sub
from zlab.patterns.pubsub_envelopes import pubsub_envelopes
from zlab.patterns.relay import relay
from zlab.patterns.request_reply import request_reply
from zlab.patterns.router_to_dealer import router_to_dealer
from zlab.patterns.router_to_req import router_to_req
from zlab.patterns.simple_pirate import simple_pirate
from zlab.patterns.streamer import streamer
from zlab.patterns.suicidal_snail import suicidal_snail
from zlab.patterns.titanic import titanic
from zlab.patterns.transport_bridge import transport_bridge
from zlab.patterns.woodhouse import woodhouse
from zlab.patterns.zre import zre

# In the order in which they are taught: the first five have notebooks of their own.
__all__ = [  # noqa: RUF022
    "request_reply",
    "pub_sub",
    "pipeline",
    "broker",
    "exclusive_pair",
    "relay",
    "multithreaded_server",
    "node_coordination",
    "pubsub_envelopes",
    "forwarder",
    "transport_bridge",
    "kill_signaling",
    "streamer",
    "router_to_req",
    "router_to_dealer",
    "load_balancing_broker",
    "async_server",
    "inter_broker_routing",
    "lazy_pirate",
    "simple_pirate",
    "paranoid_pirate",
    "majordomo",
    "titanic",
    "binary_star",
    "freelance_one",
    "freelance_two",
    "freelance_three",
    "espresso",
    "last_value_cache",
    "suicidal_snail",
    "black_box",
    "clone_one",
    "clone_two",
    "clone_three",
    "clone_four",
    "clone_five",
    "clone_six",
    "file_transfer",
    "zre",
    "woodhouse",
    "ironhouse",
]


def __dir__() -> list[str]:
    """The patterns alone: what `dir` and completion show."""
    return list(__all__)


if not TYPE_CHECKING:  # a type checker knows that there are no others

    def __getattr__(name: str) -> object:
        """Name the pattern that was probably meant."""
        from difflib import get_close_matches

        near = get_close_matches(name, __all__, n=1)
        raise AttributeError(
            f"no pattern {name!r}: {f'did you mean {near[0]}?' if near else 'zlab list names them all'}"
        )
