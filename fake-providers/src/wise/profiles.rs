//! Users and their profiles. A user is the token that it calls with.

use serde_json::{Value, json};

use super::{Call, Wise, errors};
use crate::exchange::Answer;
use crate::world::Common;

/// The owner of a token.
#[derive(Debug)]
pub(super) struct User {
    pub(super) id: i64,
    personal: i64,
    business: i64,
    /// Whether the token may fund transfers. A personal token of a European profile may not.
    pub(super) may_fund: bool,
}

impl Wise {
    /// The user of this token, who is made if the token is new.
    pub(super) fn user(&mut self, common: &mut Common, token: &str) -> &mut User {
        self.users.entry(token.to_owned()).or_insert_with(|| User {
            id: common.ids.number(),
            personal: common.ids.number(),
            business: common.ids.number(),
            may_fund: true,
        })
    }

    pub(super) fn list_profiles(&self, call: &Call<'_>) -> Answer {
        let Some(user) = self.users.get(&call.token) else { return errors::no_token() };
        let profile = |id: i64, kind: &str| json!({"id": id, "publicId": format!("p-{id}"), "userId": user.id, "type": kind, "currentState": "VISIBLE"});
        let all: Vec<Value> = vec![profile(user.personal, "PERSONAL"), profile(user.business, "BUSINESS")];
        Answer::json(200, &Value::Array(all))
    }

    /// The profile with this id, if it is the caller's.
    pub(super) fn own_profile(&self, call: &Call<'_>, id: &str) -> Result<i64, Answer> {
        let user = self.users.get(&call.token).ok_or_else(errors::no_token)?;
        let own = id.parse().ok().filter(|id| [user.personal, user.business].contains(id));
        own.ok_or_else(|| errors::one(403, "FORBIDDEN", "The profile is not yours", "profile"))
    }

    /// The profile in a field of the body or in the query.
    pub(super) fn profile_field(&self, call: &Call<'_>, value: Option<String>) -> Result<i64, Answer> {
        let text = value.ok_or_else(|| errors::wrong("profile", "profile is required"))?;
        self.own_profile(call, &text)
    }
}
