"""Does the way to a receiver work? Ping, key and one test batch, end to end, by the client that `collect` streams with."""

from __future__ import annotations

import os
import secrets
import time

from perfkit.collect.receiver_client import REFUSED, TAKEN, Answer, ReceiverClient
from perfkit.collection import encode
from perfkit.preflight.verdict import FAIL, OK, WARN, Check, Report, Words

_PATIENCE = 10.0
_CLOCKS_APART = 2.0
TEST_SUBSYSTEM = "perfkit/preflight"

WORDS = Words(
    "reachable",
    "NOT usable",
    {"ping": "NOT reachable", "key": "reachable, but the key is not accepted", "batch": "reachable, but it does not take samples"},
)


def check_server(url: str, apikey: str, identifier: str = "", cacert: str = "", *, send: bool = True) -> Report:
    """Whether the receiver at `url` answers, takes the key ("": no key) and keeps a batch of `identifier` (default: this machine's name).

    Without `send` it is asked whether it answers, and no more. Of a receiver that is not perfkit's, one line of the subsystem
    perfkit/preflight is left there. Raises BadInput where `url` or the key cannot be one.
    """
    client = ReceiverClient(url, apikey or None, identifier or os.uname().nodename, cacert, timeout=_PATIENCE)
    try:
        checks = [ping(client)]
        if send and checks[0].state != FAIL:
            checks.append(batch(client, bool(apikey)))
        if client.sends_key_in_clear:
            cure = "use https:// where the network is not yours alone."
            checks.append(Check("encryption", WARN, "none: the key travels in clear to another machine", cure))
    finally:
        client.close()
    return Report(client.url, tuple(checks), WORDS)


def ping(client: ReceiverClient) -> Check:
    """The receiver answers, and its clock is near ours."""
    sent = time.time()
    answer = client.ping()
    took = time.time() - sent
    if answer.meaning != TAKEN:
        if answer.status == 200:
            cause = f"{client.url} is some other service; use the receiver's address and port."
            return Check("ping", FAIL, "the answer is not one to a ping", cause)
        return _refused("ping", client, answer)
    off = answer.body["timestamp"] - (sent + took / 2)
    if abs(off) > _CLOCKS_APART:
        evidence = f"{took * 1000:.0f} ms, its clock is {off:+.0f} s from ours"
        return Check("ping", WARN, evidence, "synchronise both clocks, or their charts will not align.")
    return Check("ping", OK, f"{took * 1000:.0f} ms, clocks agree within {_CLOCKS_APART:g} s")


def _refused(name: str, client: ReceiverClient, answer: Answer) -> Check:
    if "certificate verify failed" in answer.reason:
        cure = "give its authority's with --cacert, and as --server the name that stands in it."
        cause = f"this machine does not trust the certificate of {client.url}; {cure}"
        return Check(name, FAIL, f"no answer: {answer.reason}", cause)
    if answer.status == 0:
        cause = f"nothing answers at {client.url} ({answer.reason}); start perfkit serve there, and open the way (address, port, firewall)."
        return Check(name, FAIL, f"no answer: {answer.reason}", cause)
    if 300 <= answer.status < 400:
        cause = f"{client.url} sends on to a login page or to https; use the receiver's own address, not the portal's."
        return Check(name, FAIL, f"answered {answer.status} to {answer.location or 'nowhere'}", cause)
    cause = f"{client.url} is not a receiver, or it is out of order; use the receiver's address and port."
    return Check(name, FAIL, f"answered {answer.sentence}", cause)


def batch(client: ReceiverClient, has_key: bool) -> Check:
    """The key is accepted, and one test line is safe on the receiver's disk."""
    if not has_key:
        cause = "streaming needs a key; make one with perfkit keys add NAME, and set PCC_APIKEY or give it with --apikey-file."
        return Check("key", FAIL, "none was given", cause)
    nonce = secrets.token_hex(16)
    seconds, nanosecond = divmod(time.time_ns(), 1_000_000_000)
    line = encode(seconds, nanosecond, time.monotonic(), TEST_SUBSYSTEM, nonce.encode())
    answer = client.send([line.rstrip()])
    if answer.meaning == TAKEN:
        proof = "was read back from its disk" if answer.body.get("echo") == nonce else "is on its disk (it says)"
        return Check("batch", OK, f"key accepted, the test line {proof}")
    if answer.meaning == REFUSED:
        return Check("key", FAIL, f"answered {answer.sentence}", _REFUSALS.get(answer.status, _REFUSALS[401]))
    return _not_taken(client, answer)


def _not_taken(client: ReceiverClient, answer: Answer) -> Check:
    if answer.status == 429:
        return Check("batch", WARN, "answered 429: too many requests", "the key is throttled for now; try again in a minute.")
    if answer.status == 503:
        return Check("batch", FAIL, f"answered {answer.sentence}", "the receiver's disk is full, or it is not ready; free space there.")
    if 200 <= answer.status < 300:
        cause = "the receiver does not say that it has kept the test line; see its log, and whether a proxy stands in the way."
        return Check("batch", FAIL, f"answered {answer.sentence}", cause)
    return _refused("batch", client, answer)


_REFUSALS = {
    401: "the receiver does not know this key; look with perfkit keys list there, or make one with keys add, and set PCC_APIKEY.",
    403: "the key may not send for this identifier; look with perfkit keys list there, or give the right --identifier.",
}
