//! Email addresses as fraud rules compare them. Addresses come here in the form that the account compares them in: in lower case, with an
//! ASCII host.

use std::sync::LazyLock;

use hashbrown::HashSet;

/// The hosts that give addresses to throw away: those of version 0.0.293 of <https://pypi.org/project/disposable-email-domains>, whose licence
/// is beside the list.
static DISPOSABLE_HOSTS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("disposable_hosts.txt").lines().collect());

/// The hosts that give addresses to everybody for nothing: those of the largest providers, which anybody can check at the provider's own page.
const FREE_HOSTS: [&str; 104] = [
    "126.com",
    "163.com",
    "21cn.com",
    "abv.bg",
    "aim.com",
    "alice.it",
    "aliyun.com",
    "aol.com",
    "arcor.de",
    "att.net",
    "bellsouth.net",
    "bigpond.com",
    "bk.ru",
    "bluewin.ch",
    "bol.com.br",
    "btinternet.com",
    "centrum.cz",
    "charter.net",
    "comcast.net",
    "cox.net",
    "daum.net",
    "duck.com",
    "earthlink.net",
    "email.com",
    "email.cz",
    "fastmail.com",
    "fastmail.fm",
    "foxmail.com",
    "free.fr",
    "freemail.hu",
    "freenet.de",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hanmail.net",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.de",
    "hotmail.es",
    "hotmail.fr",
    "hotmail.it",
    "hushmail.com",
    "icloud.com",
    "ig.com.br",
    "inbox.lv",
    "inbox.ru",
    "interia.pl",
    "laposte.net",
    "libero.it",
    "list.ru",
    "live.co.uk",
    "live.com",
    "live.de",
    "live.fr",
    "live.nl",
    "mac.com",
    "mail.com",
    "mail.de",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "netzero.net",
    "o2.pl",
    "onet.pl",
    "optusnet.com.au",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "outlook.es",
    "outlook.fr",
    "pm.me",
    "posteo.de",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rambler.ru",
    "rediffmail.com",
    "rocketmail.com",
    "sbcglobal.net",
    "seznam.cz",
    "sfr.fr",
    "shaw.ca",
    "sina.com",
    "sohu.com",
    "t-online.de",
    "terra.com.br",
    "tuta.com",
    "tutanota.com",
    "uol.com.br",
    "verizon.net",
    "virgilio.it",
    "wanadoo.fr",
    "web.de",
    "wp.pl",
    "yahoo.com",
    "yandex.ru",
    "ymail.com",
    "zoho.com",
];

/// The hosts of Gmail, which ignores dots.
const GMAIL_HOSTS: [&str; 2] = ["gmail.com", "googlemail.com"];

/// The host of an address. `None` for what is no address.
pub fn host(email: &str) -> Option<&str> {
    email.rsplit_once('@').map(|(_, host)| host).filter(|host| !host.is_empty())
}

/// Whether two addresses reach the same mailbox. Empty ones reach none.
pub fn are_same(one: &str, other: &str) -> bool {
    match (mailbox(one), mailbox(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// The name and the host of the mailbox that an address reaches.
fn mailbox(email: &str) -> Option<(String, &str)> {
    let (name, host) = email.rsplit_once('@')?;
    let name = name.split('+').next().unwrap_or_default();
    if GMAIL_HOSTS.contains(&host) {
        return Some((name.replace('.', ""), GMAIL_HOSTS[0]));
    }
    Some((name.to_owned(), host))
}

/// Whether everybody can get an address at a host. Many providers have a host in each country.
pub fn is_free(host: &str) -> bool {
    let is_of_country = |name: &str| host.strip_prefix(name).is_some_and(|country| country.len() <= 7);
    FREE_HOSTS.contains(&host)
        || ["yahoo.", "hotmail.", "live.", "outlook.", "gmx.", "yandex."].into_iter().any(is_of_country)
}

/// The host in the list of those that give addresses to throw away, if an address is at it or below it.
pub fn disposable_host(email: &str) -> Option<&'static str> {
    let mut host = host(email)?;
    loop {
        if let Some(known) = DISPOSABLE_HOSTS.get(host) {
            return Some(known);
        }
        host = host.split_once('.')?.1;
    }
}

/// An address as evidence shows it: `l…@gmail.com`. The host is shown only if it says nothing of who has the address.
pub fn masked(email: &str) -> String {
    let Some((name, host)) = email.rsplit_once('@') else { return String::new() };
    let first: String = name.chars().take(1).collect();
    if is_free(host) || disposable_host(email).is_some() {
        return format!("{first}…@{host}");
    }
    let first_of_host: String = host.chars().take(1).collect();
    let last = host.rsplit('.').next().unwrap_or_default();
    format!("{first}…@{first_of_host}….{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_dots_of_gmail_do_not_count() {
        assert!(are_same("jo.hn+a@gmail.com", "john@googlemail.com"));
        assert!(are_same("ann+x@acme.example", "ann@acme.example"));
        assert!(!are_same("a.nn@acme.example", "ann@acme.example"), "dots count elsewhere");
        assert!(!are_same("ann@acme.example", "ann@acme.test"));
        assert!(!are_same("", ""), "nobody has the empty address");
        assert!(!are_same("ann@acme.example", ""));
    }

    #[test]
    fn hosts_of_free_mail_are_in_order_and_known_by_country() {
        assert!(FREE_HOSTS.is_sorted());
        assert!(is_free("yahoo.co.jp") && is_free("hotmail.no") && is_free("gmail.com"));
        assert!(!is_free("acme.example") && !is_free("live.acme-and-sons.example"));
    }

    #[test]
    fn addresses_to_throw_away_are_known_with_their_subdomains() {
        assert_eq!(disposable_host("bob@mailinator.com"), Some("mailinator.com"));
        assert_eq!(disposable_host("bob@x.y.mailinator.com"), Some("mailinator.com"));
        assert_eq!(disposable_host("bob@hostmailinator.example"), None);
        assert_eq!(disposable_host("bob@gmail.com"), None);
        assert!(FREE_HOSTS.iter().all(|host| disposable_host(&format!("a@{host}")).is_none()));
    }

    #[test]
    fn masks_name_nobody() {
        assert_eq!(masked("lena@gmail.com"), "l…@gmail.com");
        assert_eq!(masked("lena@lenas-shop.example"), "l…@l….example");
        assert_eq!(masked(""), "");
    }
}
