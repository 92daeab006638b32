//! Parses texts that name something: ids, email addresses, codes and URLs.

use std::collections::BTreeSet;
use std::str::FromStr;

use url::Url;

use super::text::{EMAIL_LENGTH_MAX, normalized_email};
use super::{Fields, KEY_LENGTH_MAX, LIST_LENGTH_MAX};
use crate::domain::id::{ClickId, MalformedId};

const URL_LENGTH_MAX: usize = 2_048;
const HOSTS_MAX: usize = 100;
const CODE_LENGTH_MIN: usize = 2;
const CODE_LENGTH_MAX: usize = 64;

impl Fields {
    /// One of our ids, required.
    pub(in crate::rpc) fn id<I: FromStr<Err = MalformedId>>(&mut self, field: &str, text: &str) -> Option<I> {
        if text.is_empty() {
            self.wrong(field, "is required");
            return None;
        }
        self.optional_id(field, text)
    }

    /// One of our ids; `None` when it is empty.
    pub(in crate::rpc) fn optional_id<I: FromStr<Err = MalformedId>>(&mut self, field: &str, text: &str) -> Option<I> {
        if text.is_empty() {
            return None;
        }
        text.parse().map_err(|malformed: MalformedId| self.wrong(field, malformed.to_string())).ok()
    }

    /// 1 to 1,000 of our ids, without repeats.
    pub(in crate::rpc) fn ids<I>(&mut self, field: &str, texts: &[String]) -> Vec<I>
    where
        I: FromStr<Err = MalformedId> + Copy + Ord,
    {
        self.some_ids(field, texts, LIST_LENGTH_MAX)
    }

    /// 1 to `most` of our ids, without repeats.
    pub(in crate::rpc) fn some_ids<I>(&mut self, field: &str, texts: &[String], most: usize) -> Vec<I>
    where
        I: FromStr<Err = MalformedId> + Copy + Ord,
    {
        if texts.is_empty() || texts.len() > most {
            self.wrong(field, format!("has {} ids; send 1 to {most}", texts.len()));
            return Vec::new();
        }
        let mut seen = std::collections::BTreeMap::new();
        for (index, text) in texts.iter().enumerate() {
            let place = format!("{field}[{index}]");
            if let Some(id) = self.id::<I>(&place, text)
                && let Some(first) = seen.insert(id, index)
            {
                self.wrong(&place, format!("is the same as {field}[{first}]; send each id once"));
                seen.insert(id, first);
            }
        }
        texts.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// An email address, normalized; `None` when it is empty.
    pub(in crate::rpc) fn optional_email(&mut self, field: &str, text: &str) -> Option<String> {
        if text.trim().is_empty() {
            return None;
        }
        let Some(email) = normalized_email(text) else {
            self.wrong(field, "must be an email address such as jo@example.com");
            return None;
        };
        if email.len() > EMAIL_LENGTH_MAX {
            self.wrong(field, format!("has {} bytes; at most {EMAIL_LENGTH_MAX} are taken", email.len()));
            return None;
        }
        Some(email)
    }

    /// An email address, normalized and required.
    pub(in crate::rpc) fn email(&mut self, field: &str, text: &str) -> Option<String> {
        if text.trim().is_empty() {
            self.wrong(field, "is required");
        }
        self.optional_email(field, text)
    }

    /// A new code of a link: letters, digits, `-` and `_`, because it is part of a URL. `None` when it is empty. The case is
    /// unchanged.
    pub(in crate::rpc) fn new_code(&mut self, field: &str, text: &str) -> Option<String> {
        let code = text.trim();
        if code.is_empty() {
            return None;
        }
        let is_code = (CODE_LENGTH_MIN..=CODE_LENGTH_MAX).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_code {
            let lengths = format!("{CODE_LENGTH_MIN} to {CODE_LENGTH_MAX}");
            self.wrong(field, format!("must be {lengths} letters, digits, `-` or `_`"));
            return None;
        }
        Some(code.to_owned())
    }

    /// The code of a link that a visitor or customer sent. Any text is accepted, because an unknown code must not make the sale
    /// fail. `None` when it is empty.
    pub(in crate::rpc) fn brought_code(&mut self, field: &str, text: &str) -> Option<String> {
        let code = self.brought_text(field, text, KEY_LENGTH_MAX);
        (!code.is_empty()).then_some(code)
    }

    /// A visitor's tracking id; `None` when it is empty. `Err` keeps a text that is not one of our ids, to explain the
    /// attribution.
    pub(in crate::rpc) fn brought_tid(&mut self, field: &str, text: &str) -> Option<Result<ClickId, String>> {
        let tid = self.brought_text(field, text, KEY_LENGTH_MAX);
        (!tid.is_empty()).then(|| tid.parse().map_err(|_| tid))
    }

    /// An http or https URL, normalized; empty when it is empty.
    pub(in crate::rpc) fn optional_url(&mut self, field: &str, text: &str) -> String {
        let text = text.trim();
        if text.is_empty() {
            return String::new();
        }
        let fault = "must be an http or https URL such as https://example.com/page, without user name or password";
        let Some(url) = parsed_url(text) else {
            self.wrong(field, fault);
            return String::new();
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.wrong(field, fault);
        }
        let length = url.as_str().len().max(text.len());
        if length > URL_LENGTH_MAX {
            self.wrong(field, format!("has {length} bytes; at most {URL_LENGTH_MAX} are taken"));
        }
        url.into()
    }

    /// An http or https URL, normalized and required.
    pub(in crate::rpc) fn url(&mut self, field: &str, text: &str) -> String {
        if text.trim().is_empty() {
            self.wrong(field, "is required");
        }
        self.optional_url(field, text)
    }

    /// Hosts, in lower case, in order and without repeats.
    pub(in crate::rpc) fn hosts(&mut self, field: &str, sent: &[String]) -> Vec<String> {
        if sent.len() > HOSTS_MAX {
            self.wrong(field, format!("has {} hosts; at most {HOSTS_MAX} are taken", sent.len()));
            return Vec::new();
        }
        let mut hosts = BTreeSet::new();
        for (place, text) in sent.iter().enumerate() {
            // A host alone makes a URL whose text ends with it.
            let url = parsed_url(&format!("https://{}/", text.trim()));
            let host = url.as_ref().and_then(|url| Some((url, url.host_str()?)));
            match host.filter(|(url, host)| url.as_str() == format!("https://{host}/")) {
                Some((_, host)) => _ = hosts.insert(host.to_owned()),
                None => self.wrong(&format!("{field}[{place}]"), "must be a host such as shop.example"),
            }
        }
        hosts.into_iter().collect()
    }

    /// The page that a visitor came from, as the browser sent it. Any text is accepted, because some referrers are not URLs.
    pub(in crate::rpc) fn referrer(&mut self, field: &str, text: &str) -> String {
        self.description(field, text, URL_LENGTH_MAX)
    }
}

/// An http or https URL, normalized.
pub(in crate::rpc) fn parsed_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}
