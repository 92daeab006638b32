//! The link that an affiliate shares.

use url::{Url, form_urlencoded};

/// The query parameter with the ref_id.
const REF: &str = "ref";

/// The landing page with the ref_id in its query parameter `ref`. A `ref` that the page has already is left out, because programs
/// differ in which of two they read. The other parameters stay as they are.
pub fn referral_link(landing_url: &str, ref_id: &str) -> String {
    // Every stored landing page is a URL. Any other text is shown as it is.
    let Ok(mut link) = Url::parse(landing_url) else { return landing_url.to_owned() };
    let is_ref = |part: &str| form_urlencoded::parse(part.as_bytes()).any(|(name, _)| name == REF);
    let query = link.query().unwrap_or_default();
    if query.split('&').any(is_ref) {
        let others: Vec<&str> = query.split('&').filter(|part| !is_ref(part)).collect();
        let others = others.join("&");
        link.set_query(Some(&others));
    }
    link.query_pairs_mut().append_pair(REF, ref_id);
    link.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ref_id_joins_what_the_page_has_already() {
        assert_eq!(referral_link("https://shop.example/", "jo"), "https://shop.example/?ref=jo");
        assert_eq!(referral_link("https://shop.example/a?b=1#top", "jo"), "https://shop.example/a?b=1&ref=jo#top");
    }

    #[test]
    fn a_referral_link_has_one_ref_and_keeps_all_else() {
        for (query, expected) in [
            ("?ref=old", "?ref=jo"),
            ("?ref=old#top", "?ref=jo#top"),
            ("?a=1&ref=old&b=2", "?a=1&b=2&ref=jo"),
            ("?ref=old&a=1&ref=older&r%65f=oldest", "?a=1&ref=jo"),
            ("?ref", "?ref=jo"),
            ("?ref=&a", "?a&ref=jo"),
            // Names that only look like it, and an order and a spelling that a decoder and encoder would change.
            ("?prefs=1&xref=2&Ref=3&ref_id=4", "?prefs=1&xref=2&Ref=3&ref_id=4&ref=jo"),
            ("?z=a%20b+c&ref=old&a=%C3%BC~&z=2", "?z=a%20b+c&a=%C3%BC~&z=2&ref=jo"),
            ("?next=/x?ref=old", "?next=/x?ref=old&ref=jo"),
            ("?", "?ref=jo"),
            ("#/page?ref=old", "?ref=jo#/page?ref=old"),
        ] {
            let page = |query: &str| format!("https://shop.example/a{query}");
            assert_eq!(referral_link(&page(query), "jo"), page(expected), "{query}");
        }
    }
}
