"""Classifiers trained by gradient descent on the maps of an encoder, and whole networks trained with labels.

Neither a linear probe of a map's mean nor neighbours: these see where in the map things are, and tell more.
RotNet's features of CIFAR-10 gave 0.91 with a convolutional block and 0.89 with three layers, where linear
probes on the mean of the map gave 0.55 to 0.62, of other networks. A figure means something only with the
name of its probe beside it.
"""

from sslviz.classifiers.heads import HEADS, conv_block, linear_map, three_layers
from sslviz.classifiers.judging import judge
from sslviz.classifiers.whole import taught

__all__ = ["HEADS", "conv_block", "judge", "linear_map", "taught", "three_layers"]
