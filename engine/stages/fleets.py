"""What a fleet looks like: its instances and its split in words, and a picture that changes when anything moves."""

from engine.rollout.fleet import Fleet, Group, ReleaseId, Route


def instances_of(fleet: Fleet) -> dict[str, int]:
    """How many instances of each group are ready."""
    return {group.name: group.ready_now() for group in fleet.groups.values() if group.count}


def split_of(route: Route) -> str:
    """Who gets what share, and what gets requests by their content."""
    shares = ", ".join(f"{weight} % to {name}" for name, weight in sorted(route.weights.items()) if weight)
    return f"{shares}; what matches the rules to {route.matched}" if route.rules and route.matched else shares


def reaches(fleet: Fleet, release: ReleaseId) -> bool:
    """Whether the route refers to a group of this release."""
    return any(group.release == release and fleet.route.refers_to(name) for name, group in fleet.groups.items())


def picture(fleet: Fleet) -> str:
    """Equal for two fleets between which nothing has moved."""
    groups = sorted(
        (g.name, sorted(g.ready.items()), g.draining, g.count, g.release, g.fetching) for g in fleet.groups.values()
    )
    return f"{groups} {fleet.route} {fleet.in_effect}"


def serving(fleet: Fleet) -> Group | None:
    """The group that every request goes to, but for those to the preview; None if there are several, or none."""
    weights, rules, matched = fleet.route.weights, fleet.route.rules, fleet.route.matched
    led = [group for name, group in fleet.groups.items() if weights.get(name, 0) or (rules and name == matched)]
    serve = led or list(fleet.groups.values())
    return serve[0] if len(serve) == 1 else None
