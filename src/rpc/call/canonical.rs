//! The canonical form of a request, from which its content hash is made. A repeat that means the same as the first request has the same
//! form: with another case in an email address, with blanks around a name, with a default spelled out.
//!
//! The functions return `None` for a value that has this form already, which is the usual case and costs no copy.

use super::parse::coupon_code::folded_coupon_code;
use super::parse::text::{self, is_plain};

/// Sets fields of a message to their canonical values, where there are some. Copies the message only then.
macro_rules! canonical {
    ($message:expr, $($field:ident: $value:expr),+ $(,)?) => {{
        let mut canonical = std::borrow::Cow::Borrowed($message);
        $(if let Some(value) = $value {
            canonical.to_mut().$field = value;
        })+
        canonical
    }};
}
pub(in crate::rpc) use canonical;

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

/// A number whose default may be spelled out.
pub(in crate::rpc) fn default_number(sent: i32, default: i32) -> Option<i32> {
    (sent == default).then_some(0)
}

fn changed(sent: &str, canonical: String) -> Option<String> {
    (canonical != sent).then_some(canonical)
}
