"""`python -m integrator.config [FOLDER]` writes the JSON Schemas, into examples/schemas by default."""

from __future__ import annotations

import sys
from pathlib import Path

from integrator.config.schema import write_schemas

__all__: list[str] = []

if __name__ == "__main__":
    write_schemas(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/schemas"))
