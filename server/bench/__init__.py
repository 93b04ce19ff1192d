"""Load: requests sent as planned whatever becomes of the answers, and what was measured of them."""
