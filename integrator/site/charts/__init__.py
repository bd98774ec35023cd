"""Charts: specifications of Vega-Lite from frames, a module for each kind, and their drawing.

A builder takes rows of a tidy frame (`integrator.site.frame.tidy`) and answers with a `chart.Chart`, or with
the sentence that says why there is none. Only tests that may be ranked are drawn (status ok, verdict valid).
"""
