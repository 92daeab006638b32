//! Referral links. An enrollment's ref_id is also the code of a link. One look-up therefore finds both, and a code is unique
//! among both.

use std::sync::Arc;

use super::enrollment::Enrollment;
use super::id::{AccountId, AffiliateId, EnrollmentId, LinkId};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a link.
    LinkState {
        /// Clicks through the link are tracked.
        Active = "active",
        /// Clicks through the link are not tracked.
        Revoked = "revoked",
    }
}

/// A referral link of an enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Link {
    pub id: LinkId,
    pub account_id: AccountId,
    pub enrollment_id: EnrollmentId,
    pub affiliate_id: AffiliateId,
    /// The code in lower case, unique in the account. It changes only when the affiliate is erased.
    pub code: String,
    /// The page that the link leads to. Empty: the enrollment's landing page.
    pub destination_url: String,
    /// The page whose visits without a code are clicks through this link, see [`page_of`]. No other active link has it.
    pub claimed_page: Option<String>,
    pub state: LinkState,
    pub created_at: Time,
    pub revoked_at: Option<Time>,
}

impl Link {
    /// Whether the link was revoked at a time.
    pub fn is_revoked_at(&self, time: Time) -> bool {
        self.revoked_at.is_some_and(|revoked_at| revoked_at <= time)
    }

    /// Whether the link's code can be the enrollment's ref_id. The link must be active, belong to the enrollment, and lead to its
    /// landing page.
    pub fn serves_as_ref_id_of(&self, enrollment: &Enrollment) -> bool {
        self.enrollment_id == enrollment.id && self.state == LinkState::Active && self.destination_url.is_empty()
    }
}

/// A page as links claim it: the host, the port if it is an unusual one, and the path, from a normalized http or https URL. The scheme, the
/// query, the fragment and a slash at the end say nothing about the page.
pub fn page_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let page = rest.split(['?', '#']).next().unwrap_or_default();
    page.trim_end_matches('/').to_owned()
}

/// The host of a normalized http or https URL, or of a page.
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // The colons of an IPv6 address are inside brackets.
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

/// A link with the page that it leads to, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LinkWithDestination {
    pub link: Arc<Link>,
    pub destination_url: String,
}

impl LinkWithDestination {
    /// The link as it is kept in answers, see `Affiliate::without_personal_data`.
    pub fn without_personal_data(&self) -> Self {
        let (code, destination_url) = (String::new(), String::new());
        let link = Link { code, destination_url, claimed_page: None, ..self.link.as_ref().clone() };
        Self { link: Arc::new(link), destination_url: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_its_host_and_path() {
        for url in ["https://shop.example/blog/", "http://shop.example/blog?a=1&b=//x#top", "shop.example/blog"] {
            assert_eq!(page_of(url), "shop.example/blog", "{url}");
        }
        assert_eq!(page_of("https://shop.example:8443/"), "shop.example:8443");
    }

    #[test]
    fn a_host_has_no_port() {
        let hosts = ["https://shop.example/a:b", "http://shop.example:80?x=1", "shop.example", "shop.example#a/b"];
        assert!(hosts.iter().all(|url| host_of(url) == "shop.example"));
        assert_eq!([host_of("http://[::1]:80/"), host_of("http://[::1]/")], ["[::1]"; 2]);
    }
}
