"""Multi-view data sets that users bring: readers for the files as published."""
