//! Undoes the changes of a refused command.

/// A part of the set with a journal of the current command's changes.
pub(super) trait Undo {
    /// Clears the journal, because the command succeeded or the next one begins.
    fn keep(&mut self);

    /// Undoes all changes of the command, because it was refused.
    fn roll_back(&mut self);

    /// Makes a key that was never looked up count as absent.
    fn complete(&mut self);
}
