"""How good labels are: precision, calibration and boundary IoU, in NumPy."""

import numpy as np
from scipy import ndimage

_BINS = 15  # of confidence (Guo et al. 2017)
_EIGHT = np.ones((3, 3), bool)  # a pixel and its neighbours


class Quality:
    """Counts over images; every property is read off them.

    Attributes:
      threshold: least confidence of a pseudo-label that is learned from.
      distance: width of the boundary as a share of the image's diagonal.
    """

    def __init__(self, classes: int, threshold: float, distance: float = 0.02):
        """Nothing counted yet."""
        self.threshold, self.distance = threshold, distance
        self._given = np.zeros(classes, np.int64)
        self._sure = np.zeros(classes, np.int64)
        self._right = np.zeros(classes, np.int64)
        self._both = np.zeros(classes, np.int64)
        self._either = np.zeros(classes, np.int64)
        self._bins = np.zeros((3, _BINS))

    def add(
        self, ids: np.ndarray, confidence: np.ndarray, truth: np.ndarray
    ) -> None:
        """Counts one image.

        Args:
          ids: integer [H, W], predicted classes.
          confidence: float [H, W], their probabilities.
          truth: integer [H, W], 255 where a pixel counts nowhere.
        """
        known = truth != 255
        sure = known & (confidence >= self.threshold)
        hit = ids == truth
        for total, where in (
            (self._given, known),
            (self._sure, sure),
            (self._right, sure & hit),
        ):
            total += np.bincount(ids[where], minlength=len(total))
        self._add_bins(confidence[known].astype(np.float64), hit[known])
        self._add_boundaries(ids, truth, known)

    def _add_bins(self, confidence: np.ndarray, hit: np.ndarray) -> None:
        # Bin i holds confidences above i / 15 up to (i + 1) / 15.
        place = np.ceil(confidence * _BINS).astype(int) - 1
        place = place.clip(0, _BINS - 1)
        for row, weights in enumerate((None, confidence, hit)):
            self._bins[row] += np.bincount(place, weights, minlength=_BINS)

    def _add_boundaries(self, ids, truth, known) -> None:
        width = max(1, round(self.distance * np.hypot(*truth.shape)))
        for k in np.union1d(np.unique(ids), np.unique(truth[known])):
            of_ids = boundary(ids == k, width) & known
            of_truth = boundary(truth == k, width) & known
            self._both[k] += np.count_nonzero(of_ids & of_truth)
            self._either[k] += np.count_nonzero(of_ids | of_truth)

    @property
    def confident_share(self) -> float:
        """Share of the known pixels that are at least `threshold` sure."""
        return _ratio(self._sure.sum(), self._given.sum())

    @property
    def confident_share_by_class(self) -> np.ndarray:
        """The same of the pixels that are given a class; 0 where none is."""
        return _ratio(self._sure, self._given)

    @property
    def precision(self) -> float:
        """Share of the confident pixels whose class is the truth."""
        return _ratio(self._right.sum(), self._sure.sum())

    @property
    def precision_by_class(self) -> np.ndarray:
        """The same by the class that is given; 0 where none is."""
        return _ratio(self._right, self._sure)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error, on [0, 1] (Guo et al. 2017)."""
        count, confidence, hits = self._bins
        return _ratio(np.abs(confidence - hits).sum(), count.sum())

    @property
    def boundary_iou(self) -> float:
        """Mean over all classes in percent; absent ones are 0, as in mean_iou.

        Intersection and union are of the pixels that lie within the distance
        of their class's contour (Cheng et al. 2021), summed over images.
        """
        return float((self._both / (self._either + 1e-10)).mean() * 100)


def boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """Pixels of a mask within `width` of its contour (Cheng et al. 2021).

    The image's edge is contour too. The distance is the larger of the one
    along rows and the one along columns.
    """
    return mask & ~ndimage.binary_erosion(mask, _EIGHT, iterations=width)


def _ratio(part, whole):
    """part / whole, 0 where there is nothing."""
    share = np.asarray(part / np.maximum(whole, 1))
    return share if share.ndim else float(share)
