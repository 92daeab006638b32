//! Stored forms: any text is read or refused, and what was read is written in a form that is read as the same.

use std::path::Path;
use std::sync::LazyLock;

use headwater::domain::affiliate::Profile;
use headwater::domain::attribution::Candidate;
use headwater::domain::conversion::{AsRecorded, OrderDetails};
use headwater::domain::enrollment::PastStanding;
use headwater::domain::outcome::Outcome;
use headwater::domain::program::{Commission, TermsDraft};
use headwater::domain::reward::Calculation;
use headwater::store::form::Kept;

use crate::draw::{Draw, garbled};

/// See the head of the file. The input is a text, or, if it does not begin as our texts do, choices of a
/// golden text and of changes to it.
///
/// # Panics
/// A property does not hold.
pub fn stored(input: &[u8]) {
    if input.first() == Some(&b'[') {
        return every_form(&String::from_utf8_lossy(input));
    }
    let mut draw = Draw::new(input);
    let text = draw.of(&GOLDEN).clone();
    every_form(&String::from_utf8_lossy(&garbled(&mut draw, text.into_bytes())));
}

/// One text of each form.
static GOLDEN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/golden/stored");
    let files = std::fs::read_dir(folder).expect("the golden texts");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("a text")).collect()
});

fn every_form(text: &str) {
    one_form::<Outcome>(text);
    one_form::<TermsDraft>(text);
    one_form::<Commission>(text);
    one_form::<Vec<PastStanding>>(text);
    one_form::<Profile>(text);
    one_form::<OrderDetails>(text);
    one_form::<Vec<Candidate>>(text);
    one_form::<AsRecorded>(text);
    one_form::<Calculation>(text);
}

fn one_form<T: Kept + PartialEq>(text: &str) {
    let Ok(value) = T::from_text(text) else { return };
    let written = value.to_text().expect("every value is written");
    let read = T::from_text(&written);
    assert!(read.is_ok_and(|read| read == value), "{text} is written as {written}");
}
