//! Writes what a batch changed.
use super::*;
