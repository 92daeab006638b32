//! Putting back what a refused command changed.

/// A part of the set that remembers what the command in progress changed of it.
pub(super) trait Undo {
    /// The command succeeded, or the next one begins.
    fn keep(&mut self);

    /// The command was refused: everything becomes as it was before it.
    fn roll_back(&mut self);

    /// From now on, a key that was never looked up has nothing.
    fn complete(&mut self);
}
