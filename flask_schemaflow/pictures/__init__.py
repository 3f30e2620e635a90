"""Pictures of the history and of the schema: as text, Mermaid, SVG, and HTML with search and zoom.

The drawing is this package's own: libraries that lay out graphs need Graphviz on the system, or draw no tables.
"""
