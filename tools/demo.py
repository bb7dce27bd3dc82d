"""The main job in a minute: an echoscp of ours on a free port, verified by our echoscu.

Both run as a user would start them, from the environment that runs this file.
"""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))


def show(*words: str) -> None:
    print("\n$", *words, flush=True)


def main() -> int:
    scp = subprocess.Popen(
        [SCRIPTS / "echoscp", "--bind-address", "127.0.0.1", "--ae-title", "DEMO", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert scp.stdout is not None
        announcement = scp.stdout.readline()
        if not announcement:
            print("echoscp did not start")
            return 1
        port = announcement.split()[-1]
        show("echoscp --bind-address 127.0.0.1 --ae-title DEMO 0")
        print(announcement, end="", flush=True)
        show("echoscu --verbose --call DEMO --repeat 5 127.0.0.1", port)
        subprocess.run(
            [SCRIPTS / "echoscu", "--verbose", "--call", "DEMO", "--repeat", "5", "127.0.0.1", port],
            stderr=subprocess.STDOUT,
            check=True,
        )
        show("echoscu --json --call DEMO --repeat 1000 127.0.0.1", port)
        run = subprocess.run(
            [SCRIPTS / "echoscu", "--json", "--call", "DEMO", "--repeat", "1000", "127.0.0.1", port],
            stdout=subprocess.PIPE,
            check=True,
        )
        summarize(json.loads(run.stdout))
    finally:
        scp.terminate()
        scp.wait()
    print(f"\nechoscp ended with exit code {scp.returncode}.")
    return scp.returncode


def summarize(result: dict[str, object]) -> None:
    """Print what a result says, in three lines."""
    statistics, negotiated = result["statistics"], result["negotiated"]
    assert isinstance(statistics, dict)
    assert isinstance(negotiated, dict)
    times = statistics["seconds"]
    print(f"ok: {result['ok']}, {statistics['answered']} of {statistics['sent']} echoes answered")
    print(f"round trip median {times['median'] * 1e6:.0f} us, 99th percentile {times['p99'] * 1e6:.0f} us")
    print(f"peer: {negotiated['peer_implementation_version_name']}, transfer syntax {negotiated['transfer_syntax']}")


if __name__ == "__main__":
    sys.exit(main())
