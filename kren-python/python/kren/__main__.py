"""``python -m kren``: the command line ``kren``, which the wheel brings as a program of its own.

It takes this process's place: signals, pipes and exit codes are those of ``kren`` itself.
"""

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

_PROGRAM = "kren.exe" if sys.platform == "win32" else "kren"


def _places() -> Iterator[Path]:
    """Where installing may have put the program."""
    # What the installer has noted holds for user installations and for layered environments.
    with suppress(PackageNotFoundError):
        for file in files("kren") or ():
            if file.name == _PROGRAM:
                yield Path(str(file.locate()))
    # `pip install --target` notes another place than it takes.
    yield Path(__file__).parents[1] / "bin" / _PROGRAM
    # `cargo xtask` notes nothing.
    yield Path(sysconfig.get_path("scripts")) / _PROGRAM


def _main() -> int:
    program = next((str(place) for place in _places() if place.is_file()), None)
    if program is None:
        print(
            "kren: the program is not in this installation, which was built from source: "
            "`pip install --only-binary kren kren` brings it, and so does `cargo xtask demo` in a "
            "clone; `cargo install --path kren-cli` puts it on your PATH",
            file=sys.stderr,
        )
        return 1
    command = [program, *sys.argv[1:]]
    if sys.platform != "win32":
        os.execv(program, command)  # noqa: S606 - no shell is meant
    # There no process can become another program. Ctrl-C reaches both; the program answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.run(command, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(_main())
