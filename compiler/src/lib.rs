//! The compiler of krs.
