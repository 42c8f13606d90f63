"""One face that explains the landmarks of all photos: joint fit of identity, expressions and cameras."""

from facefuse.fitting.consistency import different_people
from facefuse.fitting.fit import fit_face
from facefuse.fitting.types import FaceFit, FitOptions, Observation, PhotoFit

__all__ = ["FaceFit", "FitOptions", "Observation", "PhotoFit", "different_people", "fit_face"]
