"""What a case needs of Debian."""

import os
import shutil
import subprocess


def require(*packages: str) -> None:
    """Installs those of the packages that are missing; wants root."""
    missing = [package for package in packages if not _is_installed(package)]
    if not missing:
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment, stdout=subprocess.DEVNULL)
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing]
    subprocess.run(install, check=True, env=environment, stdout=subprocess.DEVNULL)


def require_command(command: str, *packages: str) -> None:
    """Installs the packages that bring a command, unless some other way has brought it."""
    if shutil.which(command) is None:
        require(*packages)


def _is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"
