"""One module per group of nouns; each gives its ``router``."""

from zcloud.api.routes import (
    hosts,
    images,
    instances,
    log,
    maintenance,
    networks,
    people,
    projects,
    service,
    sizes,
    storage,
)

ROUTERS = (
    service.router,
    people.router,
    projects.router,
    hosts.router,
    storage.router,
    networks.router,
    images.router,
    instances.router,
    sizes.router,
    log.router,
    maintenance.router,
)
