//! Cards that fail again and again: they must not freeze who polls, and are found again when well.
