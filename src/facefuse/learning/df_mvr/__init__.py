"""DF-MVR: weakly supervised multi-view face reconstruction with deep fusion (Zhao et al., arXiv 2204.03842)."""
