"""Handshakes: why one failed, in words, from what a socket monitor tells (man page ``zmq_socket_monitor``)."""

from __future__ import annotations

import os
from errno import EFAULT, ETIMEDOUT

import zmq

_PROTOCOL = {
    0x10000000: "unspecified",
    0x10000001: "unexpected command",
    0x10000002: "invalid sequence",
    0x10000003: "key exchange",
    0x10000011: "malformed command",
    0x10000012: "malformed command message",
    0x10000013: "malformed command hello",
    0x10000014: "malformed command initiate",
    0x10000015: "malformed command error",
    0x10000016: "malformed command ready",
    0x10000017: "malformed command welcome",
    0x10000018: "invalid metadata",
    0x11000001: "cryptographic: the keys do not fit",
    0x11000002: "the peers use different security mechanisms",
    0x20000000: "ZAP: unspecified",
    0x20000001: "ZAP: malformed reply",
    0x20000002: "ZAP: bad request id",
    0x20000003: "ZAP: bad version",
    0x20000004: "ZAP: invalid status code",
    0x20000005: "ZAP: invalid metadata",
}
_BROKEN = {
    EFAULT: "nobody to ask who it is: no ZAP handler is bound to inproc://zeromq.zap.01",
    ETIMEDOUT: "the peer did not say who it is in time",
}
_AUTHENTICATION = {300: "a temporary error, says the authenticator", 400: "refused", 500: "the authenticator failed"}


def reason_of(event: int, value: int) -> str:
    """Why a handshake failed, or "" where that is not what the event tells.

    >>> reason_of(zmq.EVENT_HANDSHAKE_FAILED_AUTH, 400)
    'authentication: refused (400)'
    """
    if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        if value in _BROKEN:
            return _BROKEN[value]
        return f"the connection broke off: {os.strerror(value)}" if value else "the peer broke it off"
    if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return f"protocol: {_PROTOCOL.get(value, 'unknown')} (0x{value:08X})"
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return f"authentication: {_AUTHENTICATION.get(value, 'refused')} ({value})"
    return ""
