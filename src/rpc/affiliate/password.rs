//! Passwords of affiliates on the wire.

use secrecy::SecretString;
use unicode_normalization::UnicodeNormalization;

use crate::domain::affiliate::{Affiliate, AffiliateSelector, Password};
use crate::error::Error;
use crate::pb;
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::id_or_empty;
use crate::rpc::call::{Call, selector};
use crate::store;

/// How many characters a password has.
const LENGTH_MIN: usize = 8;
const LENGTH_MAX: usize = 128;

/// A password as the same characters are typed on all systems.
fn normalized(text: &str) -> String {
    text.nfc().collect()
}

/// Checks the password that a request sets, which is one of these or none.
pub(super) fn check_new(fields: &mut Fields, password: &str, temporary_password: &str) {
    for (field, text) in [("password", password), ("temporary_password", temporary_password)] {
        let length = normalized(text).chars().count();
        if !text.is_empty() && !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
            fields.wrong(field, format!("has {length} characters; send {LENGTH_MIN} to {LENGTH_MAX}"));
        }
        if text.chars().any(char::is_control) {
            fields.wrong(field, "must not contain control characters");
        }
    }
    if !password.is_empty() && !temporary_password.is_empty() {
        fields.wrong("temporary_password", "must be empty beside a password; send one of the two");
    }
}

/// The password that a request sets, hashed. `None`: none.
pub(super) async fn hashed(call: &Call, password: &str, temporary_password: &str) -> Result<Option<Password>, Error> {
    let (text, is_temporary) = if password.is_empty() { (temporary_password, true) } else { (password, false) };
    if text.is_empty() {
        return Ok(None);
    }
    let hash = call.rpc.passwords.hash(call.account_id(), SecretString::from(normalized(text))).await?;
    Ok(Some(Password { hash, is_temporary }))
}

/// Whether a password is that of an affiliate. An affiliate that does not exist has the same answer, in the same time.
pub(in crate::rpc) async fn check(
    call: Call,
    message: pb::CheckAffiliatePasswordRequest,
) -> Result<pb::CheckAffiliatePasswordResponse, Error> {
    let mut fields = Fields::default();
    let wanted = selector::affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let password = normalized(&message.password);
    let length = password.chars().count();
    if !(1..=LENGTH_MAX).contains(&length) {
        fields.wrong("password", format!("has {length} characters; send 1 to {LENGTH_MAX}"));
    }
    let wanted = fields.complete(wanted)?;
    let affiliate = store::affiliate::find(call.store(), call.account_id(), &wanted).await?;
    let tried = affiliate.as_ref().map_or(wanted, |affiliate| AffiliateSelector::Id(affiliate.id));
    let stored = affiliate.as_ref().and_then(|affiliate| affiliate.password.as_ref());
    let hash = stored.map(|password| password.hash.clone());
    let matches = call.rpc.passwords.check((call.account_id(), tried), password.into(), hash).await?;
    let affiliate = affiliate.filter(|_| matches);
    Ok(pb::CheckAffiliatePasswordResponse {
        matches,
        password_change_required: affiliate.as_ref().is_some_and(Affiliate::must_change_password),
        affiliate_id: id_or_empty(affiliate.map(|affiliate| affiliate.id)),
    })
}
