//! The kinds of tax numbers, and their forms. Only forms are checked: no tax office is asked, and check digits, which each country computes in
//! another way, are not computed. The texts say what is right, and never repeat what was sent.

use super::text_enum::text_enum;

text_enum! {
    /// The kind of a tax number.
    TaxNumberKind {
        /// A social security number of the United States.
        Ssn = "ssn",
        /// An employer identification number of the United States.
        Ein = "ein",
        /// An individual taxpayer identification number of the United States.
        Itin = "itin",
        /// The tax number of another country.
        Foreign = "foreign",
        /// A VAT id with the prefix of its country.
        Vat = "vat",
    }
}

/// The longest tax number of another country.
const FOREIGN_LENGTH_MAX: usize = 40;

/// The forms of VAT ids after the prefix: `#` is a digit, `@` a letter, `*` either, and another character is itself.
const VAT_FORMS: &[(&str, &[&str])] = &[
    ("AT", &["U########"]),
    ("BE", &["0#########", "1#########"]),
    ("BG", &["#########", "##########"]),
    ("CH", &["E#########", "E#########MWST", "E#########TVA", "E#########IVA"]),
    ("CY", &["########@"]),
    ("CZ", &["########", "#########", "##########"]),
    ("DE", &["#########"]),
    ("DK", &["########"]),
    ("EE", &["#########"]),
    ("EL", &["#########"]),
    ("ES", &["@#######@", "@########", "########@"]),
    ("FI", &["########"]),
    ("FR", &["**#########"]),
    ("GB", &["#########", "############", "GD###", "HA###"]),
    ("HR", &["###########"]),
    ("HU", &["########"]),
    ("IE", &["#*#####@", "#######@@"]),
    ("IT", &["###########"]),
    ("LT", &["#########", "############"]),
    ("LU", &["########"]),
    ("LV", &["###########"]),
    ("MT", &["########"]),
    ("NL", &["#########B##"]),
    ("NO", &["#########", "#########MVA"]),
    ("PL", &["##########"]),
    ("PT", &["#########"]),
    ("RO", &["##", "###", "####", "#####", "######", "#######", "########", "#########", "##########"]),
    ("SE", &["##########01"]),
    ("SI", &["########"]),
    ("SK", &["##########"]),
    ("XI", &["#########", "############", "GD###", "HA###"]),
];

/// A number of this kind, as it is stored.
///
/// # Errors
/// The form that it must have.
pub fn tax_number(kind: TaxNumberKind, text: &str) -> Result<String, &'static str> {
    match kind {
        TaxNumberKind::Ssn => social_security_number(text),
        TaxNumberKind::Ein => employer_number(text),
        TaxNumberKind::Itin => individual_taxpayer_number(text),
        TaxNumberKind::Foreign => foreign_number(text),
        TaxNumberKind::Vat => vat_id(text),
    }
}

/// Nine digits, without blanks and hyphens.
fn nine_digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|character| !matches!(character, ' ' | '-')).collect();
    (digits.len() == 9 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// The number that some digits of a text are.
fn part(digits: &str, places: std::ops::Range<usize>) -> u32 {
    digits.get(places).and_then(|part| part.parse().ok()).unwrap_or_default()
}

fn social_security_number(text: &str) -> Result<String, &'static str> {
    let is_given = |digits: &String| {
        let (area, group, serial) = (part(digits, 0..3), part(digits, 3..5), part(digits, 5..9));
        !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
    };
    nine_digits(text).filter(is_given).ok_or("must be a social security number of nine digits, such as 123-45-6789")
}

fn employer_number(text: &str) -> Result<String, &'static str> {
    // The prefixes that the tax office has never given to anybody.
    let is_given = |digits: &String| !matches!(part(digits, 0..2), 0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97);
    nine_digits(text)
        .filter(is_given)
        .ok_or("must be an employer identification number of nine digits, such as 12-3456789")
}

fn individual_taxpayer_number(text: &str) -> Result<String, &'static str> {
    let is_given = |digits: &String| {
        digits.starts_with('9') && matches!(part(digits, 3..5), 50..=65 | 70..=88 | 90..=92 | 94..=99)
    };
    nine_digits(text)
        .filter(is_given)
        .ok_or("must be an individual taxpayer identification number of nine digits, such as 912-70-1234")
}

fn foreign_number(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let is_right = (1..=FOREIGN_LENGTH_MAX).contains(&text.chars().count())
        && text.chars().all(|character| character.is_alphanumeric() || matches!(character, ' ' | '.' | '-' | '/'))
        && text.chars().any(char::is_alphanumeric);
    if is_right {
        Ok(text.to_owned())
    } else {
        Err("must be a tax number of 1 to 40 letters, digits, blanks, points, hyphens and slashes")
    }
}

/// A VAT id in capitals, without blanks, points and hyphens.
///
/// # Errors
/// The form that it must have.
pub fn vat_id(text: &str) -> Result<String, &'static str> {
    let id: String = text.chars().filter(|character| !matches!(character, ' ' | '.' | '-')).collect();
    let id = id.to_ascii_uppercase();
    let forms = VAT_FORMS.iter().find(|(prefix, _)| id.starts_with(prefix)).map_or(&[][..], |(_, forms)| *forms);
    let rest = id.get(2..).unwrap_or_default();
    if forms.iter().any(|form| has_form(rest, form)) {
        Ok(id)
    } else {
        Err("must be a VAT id with the prefix and the form of its country, such as DE123456789 or ATU12345678")
    }
}

fn has_form(text: &str, form: &str) -> bool {
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'#' => byte.is_ascii_digit(),
        b'@' => byte.is_ascii_uppercase(),
        b'*' => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        other => byte == other,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_united_states_have_nine_digits_that_were_given() {
        let ssn = |text: &str| tax_number(TaxNumberKind::Ssn, text);
        assert_eq!(ssn("123-45-6789").as_deref(), Ok("123456789"));
        assert_eq!(ssn(" 899 99 9999 ").as_deref(), Ok("899999999"));
        let wrong = [
            "",
            "12345678",
            "1234567890",
            "000-45-6789",
            "666-45-6789",
            "900-45-6789",
            "123-00-6789",
            "123-45-0000",
            "12345678x",
            "１２３456789",
        ];
        for text in wrong {
            assert!(ssn(text).is_err(), "{text}");
        }
        let ein = |text: &str| tax_number(TaxNumberKind::Ein, text);
        assert_eq!(ein("12-3456789").as_deref(), Ok("123456789"));
        assert!(ein("00-1234567").is_err() && ein("07-1234567").is_err());
        let itin = |text: &str| tax_number(TaxNumberKind::Itin, text);
        assert_eq!(itin("912-70-1234").as_deref(), Ok("912701234"));
        assert!(itin("912-49-1234").is_err() && itin("912-93-1234").is_err() && itin("812-70-1234").is_err());
    }

    #[test]
    fn a_vat_id_has_the_prefix_and_the_form_of_its_country() {
        for (sent, stored) in [
            ("de 123 456 789", "DE123456789"),
            ("ATU12345678", "ATU12345678"),
            ("NL123456789B01", "NL123456789B01"),
            ("CHE-123.456.789 MWST", "CHE123456789MWST"),
            ("FRXX123456789", "FRXX123456789"),
            ("EL123456789", "EL123456789"),
            ("IE1234567WA", "IE1234567WA"),
            ("RO12", "RO12"),
            ("XI123456789", "XI123456789"),
        ] {
            assert_eq!(vat_id(sent).as_deref(), Ok(stored), "{sent}");
        }
        for wrong in [
            "",
            "DE",
            "DE12345678",
            "DE1234567890",
            "US123456789",
            "AT12345678",
            "123456789",
            "D€123456789",
            "GR123456789",
        ] {
            assert!(vat_id(wrong).is_err(), "{wrong}");
        }
        assert!(VAT_FORMS.is_sorted_by_key(|(prefix, _)| *prefix));
    }

    #[test]
    fn a_number_of_another_country_is_short_and_plain() {
        let foreign = |text: &str| tax_number(TaxNumberKind::Foreign, text);
        assert_eq!(foreign(" 12/345/67890 ").as_deref(), Ok("12/345/67890"));
        for wrong in ["", " - ", "12;34", "a\nb", &"1".repeat(41)] {
            assert!(foreign(wrong).is_err(), "{wrong}");
        }
    }
}
