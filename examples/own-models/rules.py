"""What a physician might say without any model. Chorus calls it with the columns by name, each an array (n,)."""

import numpy as np


def predict(columns):
    return np.where((columns["bmi"] > 27) & (columns["bp"] > 95), "high", "low")
