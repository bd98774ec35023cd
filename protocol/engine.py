"""OpenVINO, imported without its model converter.

`import openvino` also imports its converter where that can be found, and the converter starts a telemetry
thread that looks for the internet: a thread nobody asked for beside the measurement, in a lab that has no
internet, and 0.1 s for every run. The converter is not needed to read a model, so it is not found here.
"""

import sys

sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]  # None means: do not look for it

import openvino  # noqa: E402

__all__ = ["openvino"]
