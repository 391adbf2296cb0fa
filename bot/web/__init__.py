"""The web console: a room with live cards, pages on pipelines and runs.

Starlette behind uvicorn, loopback by default.
"""
