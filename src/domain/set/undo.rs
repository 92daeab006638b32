//! Rolling back the changes of a refused command.

/// A part of the set with a journal of the current command's changes.
pub(super) trait Undo {
    /// The command succeeded, or the next one begins.
    fn keep(&mut self);

    /// The command was refused: undoes all of its changes.
    fn roll_back(&mut self);

    /// From now on, a key that was never looked up counts as absent.
    fn complete(&mut self);
}
