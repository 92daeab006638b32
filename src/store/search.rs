//! Finds affiliates by a part of a name, an email address, an external_id or a ref_id, in any case. Knows how names become grams, and
//! leaves the index to the backend.
//!
//! A gram is three characters that follow each other in a name, or fewer at its end. Its text begins with four digits of the account's
//! hash, so that the grams of an account are together, and has the UTF-8 of the characters in hexadecimal, so that every name is made of
//! letters and digits. The group of an affiliate is a gram too, so that a search in a small group reads no others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::backend::lane::WriteConnection;
use super::backend::search::{self as index, Document, Wanted};
use super::backend::table::Reads;
use super::entity::{affiliate as table, enrollment as enrollment_table};
use super::list::{self, Walk};
use super::set::keyed::rows_by;
use super::set::stored::Stored;
use super::{Snapshot, Source, Store, StoreError, WriteTransaction};
use crate::domain::affiliate::Affiliate;
use crate::domain::id::{AccountId, AffiliateGroupId, AffiliateId};
use crate::domain::set::{Kind, WorkingSet};

/// The length of a gram in characters.
const GRAM_LENGTH: usize = 3;

/// The shortest text to search for, in characters. A shorter one would match almost everybody.
pub const LENGTH_MIN: usize = 2;

/// How many grams of a long text are looked up. The rest is compared with the names that are found.
const GRAMS_MAX: usize = 24;

/// The characters that follow the end of a name, so that its last characters begin a gram too.
const END: char = '\u{1}';

/// A text as it is compared.
fn folded(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase().nfc().collect()
}

/// The beginning of all grams of an account.
fn prefix(account_id: AccountId) -> String {
    let hash = Sha256::digest(account_id.uuid().as_bytes());
    hash.iter().take(2).fold(String::new(), hexadecimal)
}

fn hexadecimal(mut text: String, byte: &u8) -> String {
    let _ = write!(text, "{byte:02x}");
    text
}

/// A gram, or the beginning of one.
fn gram(prefix: &str, characters: &[char]) -> String {
    let text: String = characters.iter().collect();
    text.as_bytes().iter().fold(prefix.to_owned(), hexadecimal)
}

/// The gram of a group. No gram of a name begins like it, because no name has the character 0.
fn group_gram(prefix: &str, group_id: Uuid) -> String {
    format!("{prefix}00{}", group_id.simple())
}

/// The names of an affiliate by which it is found, folded.
fn names(affiliate: &table::Model, ref_ids: &[String]) -> Vec<String> {
    let full_name = format!("{} {}", affiliate.first_name, affiliate.last_name);
    let own = [Some(full_name.trim()), affiliate.email.as_deref(), affiliate.external_id.as_deref()];
    own.into_iter().flatten().chain(ref_ids.iter().map(String::as_str)).map(folded).collect()
}

/// All grams of these names and of the group, without repeats.
fn grams(account_id: AccountId, names: &[String], group_id: Option<Uuid>) -> Vec<String> {
    let prefix = prefix(account_id);
    let mut grams: BTreeSet<String> = group_id.map(|id| group_gram(&prefix, id)).into_iter().collect();
    for name in names {
        let ended: Vec<char> = name.chars().chain([END; GRAM_LENGTH - 1]).collect();
        grams.extend(ended.windows(GRAM_LENGTH).map(|characters| gram(&prefix, characters)));
    }
    grams.into_iter().collect()
}

/// What a document must have to contain this folded text and to be in this group. `None`: the text is too short.
fn wanted(account_id: AccountId, text: &str, group_id: Option<Uuid>) -> Option<Wanted> {
    let (prefix, characters): (_, Vec<char>) = (prefix(account_id), text.chars().collect());
    if characters.len() < LENGTH_MIN {
        return None;
    }
    // Empty if the text is shorter than a gram.
    let of_text: BTreeSet<String> = characters.windows(GRAM_LENGTH).map(|part| gram(&prefix, part)).collect();
    let beginning = of_text.is_empty().then(|| gram(&prefix, &characters));
    let of_group = group_id.map(|id| group_gram(&prefix, id));
    Some(Wanted { grams: of_text.into_iter().take(GRAMS_MAX).chain(of_group).collect(), beginning })
}

/// Writes the documents of the affiliates whose names or groups changed. The rows of the set must be written already.
pub(super) async fn save(connection: &WriteConnection, set: &WorkingSet) -> Result<(), StoreError> {
    let mut changed: BTreeSet<(AccountId, AffiliateId)> = BTreeSet::new();
    let mut added: BTreeSet<Uuid> = BTreeSet::new();
    for (row, loaded) in set.affiliates.written() {
        if loaded.is_none() {
            added.insert(row.id.uuid());
        }
        let own = |row: &Affiliate| {
            (row.first_name.clone(), row.last_name.clone(), row.email.clone(), row.external_id.clone(), row.group_id)
        };
        if loaded.is_none_or(|loaded| own(loaded) != own(row)) {
            changed.insert(row.key());
        }
    }
    for (row, loaded) in set.enrollments.written() {
        if loaded.is_none_or(|loaded| loaded.ref_id != row.ref_id) {
            changed.insert((row.account_id, row.affiliate_id));
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let keys: Vec<(Uuid, Uuid)> = changed.iter().map(|(account_id, id)| (account_id.uuid(), id.uuid())).collect();
    let ref_ids = ref_ids(connection, keys.iter().copied()).await?;
    let columns = [table::Column::AccountId, table::Column::Id];
    let affiliates = rows_by::<table::Entity, _>(connection, &columns, keys).await?;
    let documents = affiliates.iter().map(|affiliate| Document {
        account_id: affiliate.account_id,
        id: affiliate.id,
        grams: grams_of(affiliate, &ref_ids),
        is_new: added.contains(&affiliate.id),
    });
    index::write(connection, documents.collect()).await
}

/// Removes a part of what former names have left in the index. Returns 0 when nothing is left.
///
/// # Errors
/// [`StoreError`].
pub async fn tidy(transaction: &WriteTransaction) -> Result<u64, StoreError> {
    Ok(u64::from(index::tidy(transaction.connection()).await?))
}

/// All grams of an affiliate.
fn grams_of(affiliate: &table::Model, ref_ids: &RefIds) -> Vec<String> {
    let names = names(affiliate, of(ref_ids, affiliate));
    grams(AccountId::from_uuid(affiliate.account_id), &names, affiliate.group_id)
}

/// The present ref_ids of affiliates, by account and affiliate.
type RefIds = BTreeMap<(Uuid, Uuid), Vec<String>>;

fn of<'ids>(ref_ids: &'ids RefIds, affiliate: &table::Model) -> &'ids [String] {
    ref_ids.get(&(affiliate.account_id, affiliate.id)).map(Vec::as_slice).unwrap_or_default()
}

async fn ref_ids(
    connection: &impl Reads,
    affiliates: impl IntoIterator<Item = (Uuid, Uuid)>,
) -> Result<RefIds, StoreError> {
    let columns = [enrollment_table::Column::AccountId, enrollment_table::Column::AffiliateId];
    let mut ref_ids = RefIds::new();
    for row in rows_by::<enrollment_table::Entity, _>(connection, &columns, affiliates).await? {
        ref_ids.entry((row.account_id, row.affiliate_id)).or_default().push(row.ref_id);
    }
    Ok(ref_ids)
}

/// How many affiliates are compared at once, and how many differences are named.
const COMPARED_AT_ONCE: u64 = 1_000;
const DIFFERENCES_MAX: usize = 10;

/// The affiliates that a search would not find by all of their names or in their group, and documents without an affiliate, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    let (mut differences, mut missing_count, mut count, mut after) = (Vec::new(), 0, 0_i64, None);
    loop {
        let walk = Walk { after, ..Walk::first(COMPARED_AT_ONCE) };
        let rows = list::page::<Affiliate>(account_id, walk).all(connection).await?;
        let keys = rows.iter().map(|row| (row.account_id, row.id));
        let ref_ids = ref_ids(connection, keys).await?;
        for row in &rows {
            if index::has(connection, row.account_id, row.id, &grams_of(row, &ref_ids)).await? {
                continue;
            }
            missing_count += 1;
            if differences.len() < DIFFERENCES_MAX {
                let id = AffiliateId::from_uuid(row.id);
                differences.push(format!("a search does not find {id} by all of its names"));
            }
        }
        count += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        after = rows.last().map(|row| row.id);
        if (rows.len() as u64) < COMPARED_AT_ONCE {
            break;
        }
    }
    if missing_count > DIFFERENCES_MAX {
        differences.push(format!("a search does not find {} more affiliates", missing_count - DIFFERENCES_MAX));
    }
    let document_count = index::count(connection, account_id.uuid()).await?;
    if document_count > count {
        differences.push(format!("the search has {} names of affiliates that do not exist", document_count - count));
    }
    Ok(differences)
}

/// An affiliate, with its place in the order of the search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Where the next page begins, if this is the last one of its page.
    pub place: Uuid,
    /// The affiliate.
    pub affiliate: Affiliate,
}

/// One page of the affiliates that have this text, of at least [`LENGTH_MIN`] characters, in one of their names. If a group is given, only
/// those in it.
///
/// # Errors
/// [`StoreError`].
pub async fn affiliates(
    store: &Store,
    account_id: AccountId,
    text: &str,
    group_id: Option<AffiliateGroupId>,
    mut walk: Walk,
) -> Result<Vec<Match>, StoreError> {
    let text = folded(text.trim());
    let group_id = group_id.map(AffiliateGroupId::uuid);
    let Some(wanted) = wanted(account_id, &text, group_id) else { return Ok(Vec::new()) };
    let limit = walk.limit;
    let mut matches = Vec::new();
    loop {
        walk.limit = limit.saturating_sub(matches.len() as u64);
        let found = index::find(store.read(), account_id.uuid(), &wanted, walk).await?;
        let is_last = (found.len() as u64) < walk.limit;
        walk.after = found.last().map(|found| found.place).or(walk.after);
        let keys: Vec<(Uuid, Uuid)> = found.iter().map(|found| (account_id.uuid(), found.id)).collect();
        let ref_ids = ref_ids(store.read(), keys.iter().copied()).await?;
        let columns = [table::Column::AccountId, table::Column::Id];
        let rows = rows_by::<table::Entity, _>(store.read(), &columns, keys).await?;
        let mut rows: BTreeMap<Uuid, table::Model> = rows.into_iter().map(|row| (row.id, row)).collect();
        for found in found {
            let Some(row) = rows.remove(&found.id) else { continue };
            let is_in_group = group_id.is_none() || row.group_id == group_id;
            // The grams of a longer text may be in several places of a name.
            if is_in_group && names(&row, of(&ref_ids, &row)).iter().any(|name| name.contains(&text)) {
                matches.push(Match { place: found.place, affiliate: Affiliate::from_row(row)? });
            }
        }
        if is_last || matches.len() as u64 >= limit {
            return Ok(matches);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(7))
    }

    /// Whether a document of these names is found by a text, before the names are compared.
    fn is_found(names: &[&str], text: &str) -> bool {
        let names: Vec<String> = names.iter().map(|name| folded(name)).collect();
        is_found_by(&grams(account(), &names, None), text, None)
    }

    fn is_found_by(grams: &[String], text: &str, group_id: Option<Uuid>) -> bool {
        wanted(account(), &folded(text), group_id).is_some_and(|wanted| {
            let has = |beginning: &String| grams.iter().any(|one| one.starts_with(beginning));
            wanted.grams.iter().all(|one| grams.contains(one)) && wanted.beginning.iter().all(has)
        })
    }

    #[test]
    fn a_group_is_found_apart_from_names() {
        let (gold, tin) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let in_gold = grams(account(), &["ada".to_owned()], Some(gold));
        for text in ["ad", "ada"] {
            assert!(is_found_by(&in_gold, text, Some(gold)) && is_found_by(&in_gold, text, None));
            assert!(!is_found_by(&in_gold, text, Some(tin)));
            assert!(!is_found_by(&grams(account(), &["ada".to_owned()], None), text, Some(gold)));
        }
        assert!(!is_found_by(&in_gold, "bea", Some(gold)));
        // The group is no name.
        assert!(!is_found_by(&in_gold, "00", None));
    }

    #[test]
    fn every_part_of_a_name_is_found_in_any_case() {
        let name = "Zo\u{eb} M\u{dc}LLER-\u{674e}\u{660e}";
        let characters: Vec<char> = name.chars().collect();
        for start in 0..characters.len() {
            for end in start + 2..=characters.len() {
                let part: String = characters[start..end].iter().collect();
                for text in [part.clone(), part.to_lowercase(), part.to_uppercase()] {
                    assert!(is_found(&[name], &text), "{text}");
                }
            }
        }
        // One character or two.
        assert!(is_found(&["Mu\u{308}ller"], "M\u{fc}l") && is_found(&["M\u{fc}ller"], "mu\u{308}l"));
        assert!(is_found(&["Ada Lovelace", "ada@partner.example"], "a Love"));
    }

    #[test]
    fn what_is_in_no_name_is_not_found() {
        assert!(!is_found(&["Ada", "Lovelace"], "adal"), "names are apart");
        assert!(!is_found(&["Ada"], "ad "));
        assert!(!is_found(&["Ada"], "a"), "too short");
        assert!(!is_found(&["Ada"], "\u{1}\u{1}\u{1}"), "the end of a name is no part of it");
        assert!(!is_found(&[""], "ada"));
    }

    #[test]
    fn grams_are_letters_and_digits_without_repeats() {
        let found = grams(account(), &["aaaa' & \u{0}\u{674e}".to_owned()], Some(Uuid::from_u128(1)));
        assert!(found.iter().flat_map(|gram| gram.bytes()).all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len());
        let long = wanted(account(), &"abcdefgh".repeat(25), None).unwrap();
        assert_eq!((long.grams.len(), long.beginning), (8, None));
    }
}
