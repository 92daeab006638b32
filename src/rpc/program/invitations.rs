//! The invitations of a program, on the wire.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::domain::program::Invitation;
use crate::pb;
use crate::rpc::call::canonical::{self as form, canonical};
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::timestamp;
use crate::rpc::coupon::USES_MAX;

/// The maximum number of invitations of a program.
const INVITATIONS_MAX: usize = 50;
/// A shorter code could be guessed.
const CODE_LENGTH_MIN: usize = 8;

/// Reads the invitations. Their numbers of uses are the server's.
pub(super) fn read(fields: &mut Fields, sent: &[pb::ProgramInvitation]) -> Vec<Invitation> {
    if sent.len() > INVITATIONS_MAX {
        fields.wrong("invitations", format!("has {} invitations; at most {INVITATIONS_MAX} are taken", sent.len()));
    }
    let mut codes = BTreeSet::new();
    let mut invitations = Vec::new();
    for (index, sent) in sent.iter().take(INVITATIONS_MAX).enumerate() {
        fields.within(&format!("invitations[{index}]"), |fields| {
            let code = fields.new_coupon_code("code", &sent.code).unwrap_or_default();
            if sent.code.trim().is_empty() {
                fields.wrong("code", "is required");
            } else if (2..CODE_LENGTH_MIN).contains(&code.chars().count()) {
                fields.wrong(
                    "code",
                    format!("must have {CODE_LENGTH_MIN} characters or more, because it could be guessed"),
                );
            } else if !code.is_empty() && !codes.insert(code.clone()) {
                fields.wrong("code", "is the code of another invitation; send each code once");
            }
            let expires_at = fields.time("expire_time", sent.expire_time.as_ref());
            let max_uses = fields.number("max_uses", sent.max_uses, USES_MAX);
            invitations.push(Invitation { code, expires_at, max_uses, use_count: 0 });
        });
    }
    invitations
}

/// The invitations in the form that they are compared in, if that is another one.
pub(super) fn canonical(sent: &[pb::ProgramInvitation]) -> Option<Vec<pb::ProgramInvitation>> {
    let canonical = |sent: &pb::ProgramInvitation| {
        let sent: Cow<'_, pb::ProgramInvitation> = canonical!(
            pb::ProgramInvitation,
            sent,
            code: form::coupon_code(&sent.code),
            expire_time: form::time(sent.expire_time.as_ref()),
            use_count: form::unread(&sent.use_count);
            as_sent: max_uses,
        );
        sent.into_owned()
    };
    let invitations: Vec<pb::ProgramInvitation> = sent.iter().map(canonical).collect();
    (invitations != sent).then_some(invitations)
}

/// An invitation as a message.
pub(super) fn render(invitation: &Invitation) -> pb::ProgramInvitation {
    pb::ProgramInvitation {
        code: invitation.code.clone(),
        expire_time: invitation.expires_at.map(timestamp),
        max_uses: invitation.max_uses,
        use_count: invitation.use_count.into(),
    }
}
