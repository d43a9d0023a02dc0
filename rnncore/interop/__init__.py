"""Models in files, and models of other libraries."""
