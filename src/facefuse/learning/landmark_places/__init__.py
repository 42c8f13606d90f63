"""Where on the face model the landmarks of photos lie: learned from labelled photos."""
