"""See, train and inspect four classic self-supervised pretext tasks on your own images."""

__version__ = "0.1.0"
