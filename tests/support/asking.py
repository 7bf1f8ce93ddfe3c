"""HTTP requests to the tests' own servers, as httpx makes them."""

from __future__ import annotations

from functools import partial

import httpx

# A request of httpx's own reads the machine's certificate authorities, 50 ms of CPU each time; a test asks up to some hundred times.
_CONTEXT = httpx.create_ssl_context()
_PATIENCE = 120  # seconds; httpx itself has 5, too few for a busy machine

client = partial(httpx.Client, verify=_CONTEXT, timeout=_PATIENCE)
get = partial(httpx.get, verify=_CONTEXT, timeout=_PATIENCE)
post = partial(httpx.post, verify=_CONTEXT, timeout=_PATIENCE)
request = partial(httpx.request, verify=_CONTEXT, timeout=_PATIENCE)
