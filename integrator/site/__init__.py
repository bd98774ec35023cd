"""The results site: what it shows (`data`), and how it is written to a folder (`build`)."""
