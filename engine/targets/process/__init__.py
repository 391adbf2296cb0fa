"""Instances as processes of this machine, kept by supervisord, behind Envoy."""

from engine.targets.process.target import ProcessTarget

__all__ = ["ProcessTarget"]
