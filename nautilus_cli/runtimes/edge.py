"""The gateway of one fleet during one command, as a container: its image and its network."""

from __future__ import annotations

from collections.abc import Mapping

from docker.api.client import APIClient

from nautilus_cli.events import Emit
from nautilus_cli.fleet import Fleet
from nautilus_cli.gateways.haproxy import HAProxy, recipe
from nautilus_cli.runtimes import network
from nautilus_cli.runtimes.front import GATEWAY, Front, listens
from nautilus_cli.runtimes.images import Images
from nautilus_cli.snapshot import Image


class Edge(Front[HAProxy]):
    """A gateway in a container, in the network of its fleet."""

    def __init__(self, api: APIClient, images: Images) -> None:
        super().__init__()
        self._api = api
        self._images = images
        self._proxy: HAProxy | None = None
        self._image: Image | None = None

    def image(self, fleet: Fleet) -> Image:
        """The image that the gateway should run; helpers and the lock run it too."""
        if self._image is None or self._image.id is None:
            self._image = self._images.wanted_recipe(GATEWAY, recipe(), args(fleet))
        return self._image

    def build(self, fleet: Fleet, emit: Emit) -> None:
        """Its image is present afterwards."""
        self._images.ensure_recipe(GATEWAY, recipe(), args(fleet), emit)
        self._image = self._proxy = None  # its image may be another one now

    def pull(self, fleet: Fleet, emit: Emit) -> tuple[str, ...]:
        """Fetch anew what its image is built on."""
        return self._images.pull_recipe(GATEWAY, recipe(), args(fleet), emit)

    def proxy(self, fleet: Fleet) -> HAProxy:
        """One object a command: it knows which worker an open line speaks with."""
        with self._once:
            if self._proxy is None:
                found, image = network.find(self._api, fleet.name), self.image(fleet).reference
                if found is None:
                    return HAProxy(self._api, fleet.name, fleet.gateway, image, network.missing(fleet.name))
                self._proxy = HAProxy(self._api, fleet.name, fleet.gateway, image, found)
            return self._proxy

    def prepare(self, fleet: Fleet) -> None:
        """The gateway stands in the fleet's network."""
        network.ensure(self._api, fleet.name)

    def kept(self, fleet: Fleet) -> dict[str, bytes]:
        """What its volume holds, the fleet's state too, by path."""
        return self.proxy(fleet).kept()

    def pending(self, fleet: Fleet, kept: Mapping[str, bytes]) -> str | None:
        """Why the gateway has to change, in words."""
        return self.proxy(fleet).pending(listens(fleet), kept)


def args(fleet: Fleet) -> dict[str, str]:
    """The build arguments of the gateway's image."""
    return {"BASE_IMAGE": fleet.gateway.base_image}
