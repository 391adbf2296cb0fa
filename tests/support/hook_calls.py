"""A pipeline with hooks of every kind, and somebody who calls them."""

from typing import Any

from storage.hooks import Scope
from tests.support.outside import Outside

GATED = """
pipeline: gated
variables: {tag: v1, note: none}
starts:
  - webhook: nightly
    parameters: {version: tag}
  - webhook: signed
    signature: hmac
  - webhook: elsewhere
    networks: [10.20.0.0/16, "fd00::/8"]
stages:
  - name: code
    conditions:
      of:
        - webhook: gate
          parameters: {remark: note}
    source: {git: "https://git.example.com/shop/api.git", tag: "${tag}"}
  - name: more
    conditions:
      of: [{webhook: late}]
    source: {git: "https://git.example.com/shop/api.git"}
"""
V2 = {"version": "v2"}


async def call(
    world: Outside, name: str, scope: Scope = "start", *, source: str = "192.0.2.7", **how: Any
) -> tuple[int, dict[str, Any]]:
    path = await world.path("gated", scope, name)
    async with world.client(source) as client:
        answer = await client.post(path, **how)
    return answer.status_code, answer.json()
