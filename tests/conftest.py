"""What holds for all tests: nothing is judged by how long this machine took for it."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
