"""Maps of features in two or three dimensions: how they are laid out, how faithful they are, how they meet.

`layouts` makes them (PCA at once, UMAP and t-SNE when there is time), `faithful` says what they keep of the
neighbourhoods, `placing` turns one like another and finds a new image's place. Similarity is the cosine
throughout, as it is for neighbours.
"""

from sslviz.project.faithful import kept, trustworthiness
from sslviz.project.layouts import FEWEST_FOR_UMAP, NEIGHBORS, boxed, pca, tsne, umap
from sslviz.project.placing import aligned, place

__all__ = [
    "FEWEST_FOR_UMAP",
    "NEIGHBORS",
    "aligned",
    "boxed",
    "kept",
    "pca",
    "place",
    "trustworthiness",
    "tsne",
    "umap",
]
