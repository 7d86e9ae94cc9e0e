"""A ZRE node by the authors of Pyre: it tells whom it meets and what it hears.

It whispers to whom it meets, and shouts to the group once all are in it; at SIGUSR1 it leaves the group, and at
SIGTERM it stops.

Usage: pyre_node.py BEACON_PORT, and how many others there are.
"""

import ipaddress
import json
import signal
import sys
import threading
import uuid

import zmq
from pyre import Pyre, zbeacon
from pyre.pyre_peer import PyrePeer

GROUP = "CHAT"


# Pyre takes whatever network it finds, and all of its addresses: here it may have this machine's own, and no other.


def own_network(beacon):
    beacon.address, beacon.interface_name = "127.0.0.1", "lo"
    beacon.network_address = ipaddress.IPv4Address("127.0.0.0")
    beacon.broadcast_address = ipaddress.IPv4Address("127.255.255.255")


def bind_here(socket, address, *args, **options):
    return anywhere(socket, address.replace("*", "127.0.0.1"), *args, **options)


zbeacon.ZBeacon._prepare_socket = own_network
anywhere, zmq.Socket.bind_to_random_port = zmq.Socket.bind_to_random_port, bind_here
PyrePeer.PEER_EVASIVE, PyrePeer.PEER_EXPIRED = 1, 2  # seconds, instead of 10 and 30


def main(port, others):
    asked = {number: threading.Event() for number in (signal.SIGUSR1, signal.SIGTERM)}
    for number, event in asked.items():
        signal.signal(number, lambda *_, event=event: event.set())
    node = Pyre("pyre")
    node.set_port(port.encode())
    node.set_header("X-COLOUR", "blue")
    node.start()
    met, members = set(), set()
    while not asked[signal.SIGTERM].is_set():
        if asked[signal.SIGUSR1].is_set() and GROUP in node.own_groups():
            node.leave(GROUP)
        if not node.inbox.poll(50):
            continue
        kind, peer, name, *rest = node.recv()
        sys.stdout.write(json.dumps([kind.decode(), name.decode(), *(each.decode() for each in rest)]) + "\n")
        if kind == b"ENTER":
            node.whisper(uuid.UUID(bytes=peer), [b"psst " + name, b"in two frames"])
            met.add(name)
            if len(met) == int(others):
                node.join(GROUP)
        elif kind == b"JOIN" and rest == [GROUP.encode()]:
            members.add(name)
            if len(members) == int(others):
                node.shout(GROUP, [b"hello all", b"of you"])
    node.stop()


main(*sys.argv[1:])
