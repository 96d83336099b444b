"""
The only place that builds: settings become agencies (`installed.py`), agencies and a store become a hub (`build.py`),
and a hub is served until it is told to stop (`serve.py`).
"""
