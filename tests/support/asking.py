"""HTTP requests to the tests' own servers, as httpx makes them."""

from __future__ import annotations

from functools import partial

import httpx

# A request of httpx's own reads the machine's certificate authorities, 50 ms of CPU each time; a test asks up to some hundred times.
_CONTEXT = httpx.create_ssl_context()

client = partial(httpx.Client, verify=_CONTEXT)
get = partial(httpx.get, verify=_CONTEXT)
post = partial(httpx.post, verify=_CONTEXT)
request = partial(httpx.request, verify=_CONTEXT)
