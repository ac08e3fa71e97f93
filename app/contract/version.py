from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    try:
        return version("darkroom")
    except PackageNotFoundError:
        return "uninstalled"
