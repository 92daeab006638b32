//! The mail that welcomes a new affiliate: its text with placeholders, and the letter that is made of it. Knows nothing of when it is
//! sent.

use super::mail::Letter;
use super::text_enum::text_enum;

text_enum! {
    /// What the text of a welcome mail may name, in curly brackets.
    Placeholder {
        /// The affiliate's first name, or the email address if the name is not known.
        FirstName = "first_name",
        /// The affiliate's email address.
        Email = "email",
        /// The name of the program.
        ProgramName = "program_name",
        /// The merchant's name.
        AccountName = "account_name",
        /// The affiliate's referral link in the program.
        ReferralLink = "referral_link",
    }
}

/// How many placeholders a subject or a body may have, so that no mail becomes large.
const PLACEHOLDERS_MAX: usize = 20;

/// How much of an unknown placeholder is shown.
const SHOWN_LENGTH_MAX: usize = 40;

const SUBJECT: &str = "Welcome to {program_name}";

const BODY: &str = "Hello {first_name},

you are now an affiliate of {account_name}, in the program \u{201c}{program_name}\u{201d}. This is your referral link:

{referral_link}

Purchases of people who come through it can be credited to you. If you do not know {account_name}, ignore this mail.";

/// The welcome mail of a program, as its owner sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WelcomeMail {
    /// Whether new affiliates get it.
    pub is_enabled: bool,
    /// Empty: the usual one.
    pub subject: String,
    /// Empty: the usual one.
    pub body: String,
}

/// Whom a mail welcomes, and where.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Welcomed<'a> {
    pub first_name: &'a str,
    pub email: &'a str,
    pub program_name: &'a str,
    pub account_name: &'a str,
    pub referral_link: &'a str,
}

impl Welcomed<'_> {
    fn value(&self, placeholder: Placeholder) -> &str {
        match placeholder {
            Placeholder::FirstName if self.first_name.is_empty() => self.email,
            Placeholder::FirstName => self.first_name,
            Placeholder::Email => self.email,
            Placeholder::ProgramName => self.program_name,
            Placeholder::AccountName => self.account_name,
            Placeholder::ReferralLink => self.referral_link,
        }
    }
}

impl WelcomeMail {
    /// The letter to a new affiliate.
    pub fn letter(&self, welcomed: Welcomed<'_>) -> Letter {
        let subject = if self.subject.is_empty() { SUBJECT } else { &self.subject };
        let body = if self.body.is_empty() { BODY } else { &self.body };
        Letter {
            recipient: welcomed.email.to_owned(),
            subject: filled_in(subject, welcomed),
            body: filled_in(body, welcomed) + "\n",
        }
    }
}

/// What is wrong with the subject or the body of a welcome mail, if something is.
pub fn problem(text: &str) -> Option<String> {
    let mut count = 0;
    for piece in pieces(text) {
        match piece {
            Piece::Text(_) => {}
            Piece::Placeholder(_) => count += 1,
            Piece::Unknown(sent) => {
                let sent: String = sent.chars().take(SHOWN_LENGTH_MAX).collect();
                let known: Vec<String> = Placeholder::ALL.iter().map(|known| format!("{{{known}}}")).collect();
                let known = known.join(", ");
                return Some(format!("has the unknown placeholder {sent}; the placeholders are {known}"));
            }
        }
    }
    (count > PLACEHOLDERS_MAX).then(|| format!("has {count} placeholders; at most {PLACEHOLDERS_MAX} are taken"))
}

/// A piece of a text.
enum Piece<'a> {
    Text(&'a str),
    Placeholder(Placeholder),
    /// From an opening bracket to the one that closes it, or to the end.
    Unknown(&'a str),
}

/// The pieces of a text, in order.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        pieces.push(Piece::Text(before));
        let Some((name, after)) = after.split_once('}') else {
            pieces.push(Piece::Unknown(&rest[before.len()..]));
            return pieces;
        };
        let whole = &rest[before.len()..rest.len() - after.len()];
        pieces.push(name.parse().map_or(Piece::Unknown(whole), Piece::Placeholder));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// The text with the values of its placeholders. Values are one line each, whatever they hold, so that no name adds a header or a
/// paragraph to the mail.
fn filled_in(text: &str, welcomed: Welcomed<'_>) -> String {
    let mut filled_in = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled_in.push_str(text),
            Piece::Placeholder(placeholder) => {
                let value = welcomed.value(placeholder).chars();
                let is_break = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
                filled_in.extend(value.map(|character| if is_break(character) { ' ' } else { character }));
            }
            // Not stored, because `problem` finds it.
            Piece::Unknown(sent) => filled_in.push_str(sent),
        }
    }
    filled_in
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Welcomed<'_> = Welcomed {
        first_name: "Ada",
        email: "ada@partner.example",
        program_name: "Spring {email}",
        account_name: "The Shop",
        referral_link: "https://shop.example/?ref=ada",
    };

    fn mail(subject: &str, body: &str) -> WelcomeMail {
        WelcomeMail { is_enabled: true, subject: subject.to_owned(), body: body.to_owned() }
    }

    #[test]
    fn placeholders_are_filled_in_once() {
        let text = "{first_name}|{email}|{program_name}|{account_name}|{referral_link}|";
        assert_eq!(problem(text), None);
        let letter = mail("Hi {first_name}", text).letter(ADA);
        assert_eq!((letter.recipient.as_str(), letter.subject.as_str()), ("ada@partner.example", "Hi Ada"));
        assert_eq!(letter.body, "Ada|ada@partner.example|Spring {email}|The Shop|https://shop.example/?ref=ada|\n");
    }

    #[test]
    fn the_usual_text_names_all_that_a_new_affiliate_needs() {
        assert_eq!([problem(SUBJECT), problem(BODY)], [None, None]);
        let letter = mail("", "").letter(ADA);
        assert_eq!(letter.subject, "Welcome to Spring {email}");
        assert!(letter.body.starts_with("Hello Ada,\n\nyou are now an affiliate of The Shop"), "{}", letter.body);
        assert!(letter.body.contains("\n\nhttps://shop.example/?ref=ada\n\n"), "{}", letter.body);
        let nameless = Welcomed { first_name: "", ..ADA };
        assert!(mail("", "").letter(nameless).body.starts_with("Hello ada@partner.example,\n"));
    }

    #[test]
    fn unknown_placeholders_are_named() {
        for (text, name) in [
            ("Hello {name}", "{name}"),
            ("{first_name} {First_Name}", "{First_Name}"),
            ("{ email }", "{ email }"),
            ("{}", "{}"),
            ("{email", "{email"),
            ("{{email}}", "{{email}"),
        ] {
            let problem = problem(text);
            assert!(problem.as_ref().is_some_and(|problem| problem.contains(name)), "{text}: {problem:?}");
        }
        assert_eq!(problem("{email}".repeat(20).as_str()), None);
        assert!(problem("{email}".repeat(21).as_str()).unwrap().contains("21 placeholders"));
    }

    #[test]
    fn a_value_is_one_line() {
        let welcomed = Welcomed { first_name: "Ada\r\nBcc: all@shop.example\u{2028}x", ..ADA };
        let letter = mail("{first_name}", "{first_name}").letter(welcomed);
        assert_eq!(letter.subject, "Ada  Bcc: all@shop.example x");
        assert_eq!(letter.body, "Ada  Bcc: all@shop.example x\n");
    }
}
