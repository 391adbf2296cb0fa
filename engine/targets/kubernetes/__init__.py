"""Instances as pods of Kubernetes clusters, behind their Services, Istio or the Gateway API."""
