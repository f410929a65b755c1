"""From a picture to an embedding: detectors, landmarks, quality, alignment, embedder."""
