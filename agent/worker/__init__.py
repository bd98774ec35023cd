"""One run, in a process of its own: read, compile, warm up, measure.

This package imports openvino, numpy and the standard library only, so that whatever is measured is not
measured beside anything else.
"""
