"""Closed-loop molecular design: agents that look for the molecules whose electrons are held most tightly.

`pool` names the candidates, `oracle` computes what one of them is worth, `surrogate` decides which to compute next, `calibration`
holds the oracle against experiment, `statistics` says what chance alone would have found, `report` shows it all on one page.
None of them knows Bailiwick: they are plain typed functions, and become tools where the campaign is put together.
"""
