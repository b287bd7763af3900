"""Files in Docker volumes, read and written through the API's archive calls: it works on remote hosts too."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator, Mapping

from docker.api.client import APIClient
from docker.errors import APIError, NotFound

from nautilus_cli.runtimes import labels

MOUNT = "/volume"


def tar(files: Mapping[str, bytes], mode: int = 0o444) -> bytes:
    """An archive of these files, readable by all inside a folder that only the volume's owner can enter."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@contextlib.contextmanager
def mounted(api: APIClient, fleet: str, image: str, volume: str) -> Iterator[str]:
    """A container that never runs and has the volume at `MOUNT`, for archive calls."""
    body = {
        "Image": image,
        "Cmd": ["true"],
        "Labels": {labels.FLEET: fleet, labels.ROLE: "helper"},
        "HostConfig": {"Binds": [f"{volume}:{MOUNT}"], "NetworkMode": "none"},
    }
    helper = api.create_container_from_config(body)["Id"]
    try:
        yield helper
    finally:
        api.remove_container(helper, force=True)


def ensure(api: APIClient, name: str, marks: Mapping[str, str]) -> bool:
    """The volume is there afterwards; whether it had to be made."""
    try:
        api.inspect_volume(name)
    except NotFound:
        api.create_volume(name, labels=dict(marks))
        return True
    return False


def remove(api: APIClient, name: str) -> None:
    """The volume is gone afterwards, unless a container uses it."""
    try:
        api.remove_volume(name)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:
            raise


def owned(api: APIClient, fleet: str) -> dict[str, dict[str, str]]:
    """The labels of each volume of a fleet."""
    found = api.volumes(filters={"label": f"{labels.FLEET}={fleet}"})["Volumes"] or []
    return {volume["Name"]: volume["Labels"] or {} for volume in found}
