//! The parts of a URL that links and programs are compared by. Reads normalized URLs only, so it needs no parser.

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
