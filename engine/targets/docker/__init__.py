"""Instances as containers of a Docker Engine on this machine, behind Envoy."""

from engine.targets.docker.target import DockerTarget

__all__ = ["DockerTarget"]
