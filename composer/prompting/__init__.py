"""Words, lyrics or a picture → a steering that everybody can see and change. Before: pages, API. After: steering.py."""
