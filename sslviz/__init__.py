"""See, train and inspect four classic self-supervised pretext tasks on your own images."""

import os

# Threads that wait for each other must sleep, not spin: beside a browser on two cores, training whose threads
# spin takes up to four times as long. OpenMP reads this when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
