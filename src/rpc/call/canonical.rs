//! The canonical form of a request, from which its content hash is made. A repeat that means the same as the first request has the same
//! form: with another case in an email address, with blanks around a name, with a default spelled out.
//!
//! The functions return `None` for a value that has this form already, which is the usual case and costs no copy.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use prost_types::{FieldMask, Timestamp};

use super::parse::coupon_code::folded_coupon_code;
use super::parse::name::parsed_url;
use super::parse::text::{self, is_plain};
use crate::domain::page::page_of;

/// A message in its canonical form. Sets the fields that have a canonical value, and copies the message only if one of them differs.
///
/// The other fields follow `as_sent`. Every field must be named, so that a new one does not compile before its form is decided.
macro_rules! canonical {
    ($type:path, $message:expr; as_sent: $($kept:ident),+ $(,)?) => {{
        let $type { $($kept: _,)+ } = $message;
        std::borrow::Cow::Borrowed($message)
    }};
    ($type:path, $message:expr, $($field:ident: $value:expr),+; as_sent: $($kept:ident),* $(,)?) => {{
        let $type { $($field: _,)+ $($kept: _,)* } = $message;
        let mut canonical = std::borrow::Cow::Borrowed($message);
        $(if let Some(value) = $value {
            canonical.to_mut().$field = value;
        })+
        canonical
    }};
}
pub(in crate::rpc) use canonical;

/// A message inside another. One without content is the same as none.
pub(in crate::rpc) fn inside<M: Clone + Default + PartialEq>(
    sent: Option<&M>,
    canonical: impl FnOnce(&M) -> Cow<'_, M>,
) -> Option<Option<M>> {
    match canonical(sent?) {
        empty if *empty == M::default() => Some(None),
        Cow::Owned(canonical) => Some(Some(canonical)),
        Cow::Borrowed(_) => None,
    }
}

/// A field that is not read, because the server sets it.
pub(in crate::rpc) fn unread<T: Default + PartialEq>(sent: &T) -> Option<T> {
    (*sent != T::default()).then(T::default)
}

/// The fields that an update changes.
#[derive(Debug, Clone, Copy)]
pub(in crate::rpc) struct Mask<'message>(&'message [String]);

impl<'message> Mask<'message> {
    pub(in crate::rpc) fn of(sent: Option<&'message FieldMask>) -> Self {
        Self(sent.map(|mask| mask.paths.as_slice()).unwrap_or_default())
    }

    /// The mask itself, which has each path once and in any order.
    pub(in crate::rpc) fn canonical(self) -> Option<Option<FieldMask>> {
        let paths: BTreeSet<&String> = self.0.iter().collect();
        let is_canonical = paths.iter().copied().eq(self.0);
        (!is_canonical).then(|| Some(FieldMask { paths: paths.into_iter().cloned().collect() }))
    }

    /// The first of these paths that the mask has, or the first of all.
    pub(in crate::rpc) fn first_of(self, paths: [&str; 2]) -> &str {
        let [first, second] = paths;
        let has = |path| self.0.iter().any(|masked| masked == path);
        if !has(first) && has(second) { second } else { first }
    }

    /// A field that only the mask makes the server read.
    pub(in crate::rpc) fn field<T: Default + PartialEq>(
        self,
        path: &str,
        sent: &T,
        canonical: impl FnOnce(&T) -> Option<T>,
    ) -> Option<T> {
        if self.0.iter().any(|masked| masked == path) { canonical(sent) } else { unread(sent) }
    }
}

/// A secret that people choose. Only whether there is one is compared, because it could be guessed from a hash of the request.
pub(in crate::rpc) fn secret(sent: &str) -> Option<String> {
    const ANY: &str = "********";
    (!sent.is_empty() && sent != ANY).then(|| ANY.to_owned())
}

/// An email address as it is compared.
pub(in crate::rpc) fn email(sent: &str) -> Option<String> {
    let is_canonical = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    if sent.bytes().all(is_canonical) && !sent.ends_with('.') {
        return None;
    }
    changed(sent, text::normalized_email(sent)?)
}

/// A text that describes something, without characters that are not text.
pub(in crate::rpc) fn description(sent: &str) -> Option<String> {
    if is_plain(sent) {
        return None;
    }
    changed(sent, text::clean_description(sent))
}

/// The code of a link that was brought, in one case.
pub(in crate::rpc) fn code(sent: &str) -> Option<String> {
    if is_plain(sent) && !sent.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    changed(sent, text::clean_brought(sent).to_ascii_lowercase())
}

/// Codes that are a set: in one case, in order and without repeats.
pub(in crate::rpc) fn codes(sent: &[String]) -> Option<Vec<String>> {
    let codes: BTreeSet<String> = sent.iter().map(|code| code.trim().to_ascii_lowercase()).collect();
    let is_canonical = codes.iter().eq(sent);
    (!is_canonical).then(|| codes.into_iter().collect())
}

/// Texts that are a set: in order, without repeats and without empty ones.
pub(in crate::rpc) fn set(sent: &[String]) -> Option<Vec<String>> {
    let texts: BTreeSet<&String> = sent.iter().filter(|text| !text.is_empty()).collect();
    let is_canonical = texts.iter().copied().eq(sent);
    (!is_canonical).then(|| texts.into_iter().cloned().collect())
}

/// A coupon code as it is compared.
pub(in crate::rpc) fn coupon_code(sent: &str) -> Option<String> {
    changed(sent, folded_coupon_code(sent))
}

/// A tracking id, which may have blanks around it.
pub(in crate::rpc) fn tid(sent: &str) -> Option<String> {
    if is_plain(sent) {
        return None;
    }
    changed(sent, text::clean_brought(sent))
}

/// A code in capitals, which may have blanks around it.
pub(in crate::rpc) fn country_code(sent: &str) -> Option<String> {
    changed(sent, sent.trim().to_ascii_uppercase())
}

/// A text that may have blanks around it.
pub(in crate::rpc) fn trimmed(sent: &str) -> Option<String> {
    let trimmed = sent.trim();
    (trimmed.len() != sent.len()).then(|| trimmed.to_owned())
}

/// Texts by a name. One without content is the same as none.
pub(in crate::rpc) fn trimmed_values(sent: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let trimmed = sent.iter().map(|(name, text)| (name, text.trim())).filter(|(_, text)| !text.is_empty());
    let trimmed: BTreeMap<String, String> = trimmed.map(|(name, text)| (name.clone(), text.to_owned())).collect();
    (trimmed != *sent).then_some(trimmed)
}

/// Texts by a name that only describe something. One without content is the same as none.
pub(in crate::rpc) fn described_values(sent: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    if sent.values().all(|text| is_plain(text) && !text.is_empty()) {
        return None;
    }
    let clean = sent.iter().map(|(name, text)| (name.clone(), text::clean_paragraph(text)));
    let clean: BTreeMap<String, String> = clean.filter(|(_, text)| !text.is_empty()).collect();
    (clean != *sent).then_some(clean)
}

/// A URL in the form of the URL standard.
pub(in crate::rpc) fn url(sent: &str) -> Option<String> {
    let canonical = parsed_url(sent.trim()).map_or_else(|| sent.trim().to_owned(), String::from);
    changed(sent, canonical)
}

/// A URL by the page that a link claims with it.
pub(in crate::rpc) fn page(sent: &str) -> Option<String> {
    let page = parsed_url(sent.trim()).map(|url| format!("https://{}", page_of(url.as_str())));
    changed(sent, page.unwrap_or_else(|| sent.trim().to_owned()))
}

/// A point in time, without what is less than a microsecond.
pub(in crate::rpc) fn time(sent: Option<&Timestamp>) -> Option<Option<Timestamp>> {
    let sent = sent?;
    let rest = sent.nanos % 1_000;
    (rest != 0).then_some(Some(Timestamp { seconds: sent.seconds, nanos: sent.nanos - rest }))
}

/// A number whose default may be spelled out.
pub(in crate::rpc) fn default_number(sent: i32, default: i32) -> Option<i32> {
    (sent == default).then_some(0)
}

/// An optional number whose default may be spelled out.
pub(in crate::rpc) fn default_optional(sent: Option<i32>, default: i32) -> Option<Option<i32>> {
    (sent == Some(default)).then_some(None)
}

/// A list whose default may be spelled out.
pub(in crate::rpc) fn default_list(sent: &[i32], default: &[i32]) -> Option<Vec<i32>> {
    (sent == default).then(Vec::new)
}

fn changed(sent: &str, canonical: String) -> Option<String> {
    (canonical != sent).then_some(canonical)
}
