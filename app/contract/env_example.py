import textwrap

from app.contract.settings import Settings

HEAD = "Every setting of Darkroom with its default; copy this file to .env and change what you need."
WIDTH = 120


def env_example() -> str:
    """All settings as a `.env` file whose every line is a comment."""
    lines = [f"# {HEAD}", ""]
    for name, field in Settings.model_fields.items():
        lines += textwrap.wrap(
            field.description or "", WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
        )
        lines.append(f"# DARKROOM_{name.upper()}={'' if field.default is None else field.default}")
    return "\n".join(lines) + "\n"
