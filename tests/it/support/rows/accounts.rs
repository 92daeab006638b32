//! Rows of accounts, their keys, mails and audit log.

use super::*;

pub(crate) fn account(id: AccountId) -> Account {
    Account {
        id,
        display_name: "Rivière & Söhne".to_owned(),
        email: format!("{}@shop.test", id.uuid().simple()),
        max_active_coupons_per_affiliate: 5,
        payout_policy: None,
        time_zones: Vec::new(),
        created_at: NOW,
        updated_at: NOW.plus_days(1),
        suspended_at: None,
        suspension_reason: String::new(),
        email_verified_at: None,
        verification: None,
        calls_per_minute: 0,
        is_test: false,
    }
}

pub(crate) fn suspended_account(id: AccountId) -> Account {
    Account {
        suspended_at: Some(NOW.plus_days(1)),
        suspension_reason: "unpaid".to_owned(),
        email_verified_at: Some(NOW),
        ..account(id)
    }
}

pub(crate) fn time_zones() -> Vec<ZoneSince> {
    vec![ZoneSince { name: "Europe/Berlin".to_owned(), since: NOW }]
}

pub(crate) fn api_key() -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        kind: KeyKind::Admin,
        display_name: "backend".to_owned(),
        text_prefix: "hw_admin_1".to_owned(),
        secret_hash: [3; 32],
        created_at: NOW,
        expires_at: Some(NOW.plus_days(30)),
        revoked_at: Some(NOW.plus_days(3)),
        updated_at: None,
        allowed_networks: Vec::new(),
        allowed_origins: Vec::new(),
    }
}

pub(crate) fn audit_entry() -> AuditEntry {
    let actor = Actor {
        key_id: api_key().id,
        key_kind: KeyKind::Admin,
        address: Some("2001:db8::7".parse().unwrap()),
        method: "headwater.v1.AccountService/UpdateAccount",
        call_id: "order-17".to_owned(),
    };
    AuditEntry::new(AuditEntryId::from_uuid(uuid(1)), ACCOUNT, &actor, ACCOUNT.to_string(), NOW)
}

pub(crate) fn mail() -> Mail {
    let letter = Letter {
        recipient: "ann@shop.test".to_owned(),
        subject: "Wëlcome".to_owned(),
        body: "Hello Ann,\n\nit works.\n".to_owned(),
    };
    let affiliate_id = Some(AffiliateId::from_uuid(uuid(1)));
    Mail {
        affiliate_id,
        tries: 2,
        due_at: NOW.plus_days(1),
        ..Mail::new(MailId::from_uuid(uuid(1)), ACCOUNT, letter, NOW)
    }
}

/// A key that works from a few places.
pub(crate) fn bound_key() -> ApiKey {
    ApiKey {
        kind: KeyKind::Publishable,
        text_prefix: "hw_publishable_1".to_owned(),
        updated_at: Some(NOW.plus_days(2)),
        allowed_networks: vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        allowed_origins: vec!["https://shop.test".to_owned()],
        revoked_at: None,
        ..api_key()
    }
}
