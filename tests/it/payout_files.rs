//! Files of payouts for banks and upload pages. Independent readers check them by the rules of their formats; golden files show them.

mod nacha;
mod sepa;
mod table;

use headwater::domain::id::PayoutId;
use headwater::domain::money::Money;
use headwater::domain::time::Time;
use headwater::outbound::file::{Account, AccountKind, Line, WrongFields};
use uuid::Uuid;

/// 2026-11-28T10:20:30Z
const CREATED_AT: Time = Time::from_micros(1_795_861_230_000_000);

fn line(payout: u128, payee: &str, account: Account, amount: (i64, &str), reference: &str) -> Line {
    Line {
        payout_id: PayoutId::from_uuid(Uuid::from_u128(0x0192_7c41_0000_7000_8000_0000_0000_0000 + payout)),
        payee: payee.to_owned(),
        account,
        amount: Money::new(amount.0, amount.1.parse().unwrap()),
        reference: reference.to_owned(),
    }
}

fn iban(iban: &str) -> Account {
    Account::Iban { iban: iban.to_owned(), bic: None }
}

fn united_states(routing_number: &str, number: &str, kind: AccountKind) -> Account {
    Account::UnitedStates { routing_number: routing_number.to_owned(), number: number.to_owned(), kind }
}

fn email(address: &str) -> Account {
    Account::Email(address.to_owned())
}

fn text(file: Result<Vec<u8>, WrongFields>) -> String {
    String::from_utf8(file.unwrap_or_else(|wrong| panic!("{wrong}"))).unwrap()
}

/// The wrong fields as `line field`; a setting of the file has no line.
fn wrong(file: Result<Vec<u8>, WrongFields>) -> Vec<String> {
    let Err(WrongFields(wrong)) = file else { panic!("nothing is wrong") };
    for field in &wrong {
        assert!(!field.problem.is_empty(), "{field}");
    }
    wrong
        .iter()
        .map(|field| format!("{} {}", field.line.map_or_else(String::new, |line| line.to_string()), field.field))
        .collect()
}
