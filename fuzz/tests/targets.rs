//! Runs each target for a moment: first the inputs of its corpus and those that once failed, then as many random ones as below.
//! `fuzz/run` runs them for longer, with inputs that reach new code.

use std::path::{Path, PathBuf};

use bolero::check;
use fuzz::{method_names, target};

/// More than any target takes, so that each runs the same number of inputs on every machine.
const TIME_MAX: std::time::Duration = std::time::Duration::from_secs(600);

macro_rules! targets {
    ($($name:ident: $iterations:literal inputs of up to $bytes:literal bytes;)*) => {$(
        #[test]
        fn $name() {
            check!()
                .with_test_time(TIME_MAX)
                .with_iterations($iterations)
                .with_max_len($bytes)
                .for_each(|input: &[u8]| target::$name(input));
        }
    )*};
}

targets! {
    history: 60 inputs of up to 4096 bytes;
    message: 400 inputs of up to 512 bytes;
    settings: 300 inputs of up to 256 bytes;
    stored: 400 inputs of up to 64 bytes;
    text: 4_000 inputs of up to 64 bytes;
    wire: 400 inputs of up to 512 bytes;
}
