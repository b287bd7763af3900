"""Sends one request to each address that it is given, and shows the beginning of the answer."""

import sys
import urllib.request

TIMEOUT_SECONDS = 10
SHOWN_CHARACTERS = 160


def answer(url: str) -> tuple[bool, str]:
    """Whether the address answers well, and with what."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            replica = response.headers.get("X-Nautilus-Replica", "?")
            body = " ".join(response.read().decode(errors="replace").split())
            return True, f"{response.status} from {replica}: {body[:SHOWN_CHARACTERS]}..."
    except OSError as error:
        return False, str(error)


def main(urls: list[str]) -> int:
    """1 when one of them does not answer."""
    failed = False
    for url in urls:
        ok, text = answer(url)
        failed = failed or not ok
        print(f"\n$ curl {url}\n{text}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
