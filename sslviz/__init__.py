"""See, train and inspect four classic self-supervised pretext tasks on your own images."""

import os

# Threads that wait for each other spin a short while and then sleep. Beside a browser on two cores, training
# whose threads spin for long takes up to four times as long; an idle machine loses a quarter if none spin.
# GNU OpenMP reads this when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

__version__ = "0.1.0"
