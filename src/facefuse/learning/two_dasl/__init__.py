"""2DASL: 3D faces from single photos, with the help of photos that have 2D landmarks only.

Tu, Zhao, Jiang, Luo, Xie, Zhao, He, Ma, Feng: *3D Face Reconstruction From A Single Image Assisted by 2D Face Images in
the Wild* (IEEE TMM 2020; arXiv 1903.09359). See ``docs/two_dasl.md`` for what the paper says and what differs here.
"""
