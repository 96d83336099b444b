"""Steps from one shape of the tables to the next, run when a file is opened. `schema.py` is where they lead."""
