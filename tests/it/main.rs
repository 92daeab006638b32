//! The one binary of integration tests: what they share is in `support`, each other module is about one subject.
//!
//! Each is marked `#[cfg(test)]`, by which clippy knows that its helpers, too, may `unwrap`.

#[cfg(test)]
mod tidy;
