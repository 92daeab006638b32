//! Caps of terms on the wire.

use crate::domain::period::Period;
use crate::domain::tally::{CAPS_MAX, Cap, CapScope};
use crate::pb;
use crate::rpc::call::parse::Fields;
use crate::rpc::call::render::money;
use crate::rpc::call::wire_enum::WireEnum;

/// Reads the caps of terms, in the order in which they are sent, so that a fault names the place that its sender knows.
pub(super) fn read(fields: &mut Fields, sent: &[pb::Cap]) -> Vec<Cap> {
    if sent.len() > CAPS_MAX {
        fields.wrong("caps", format!("has {} caps; at most {CAPS_MAX} are taken", sent.len()));
        return Vec::new();
    }
    let mut caps: Vec<Cap> = Vec::new();
    for (place, sent) in sent.iter().enumerate() {
        let field = format!("caps[{place}]");
        let Some(cap) = fields.within(&field, |fields| read_one(fields, sent)) else { continue };
        if caps.iter().any(|other| (other.scope, other.period) == (cap.scope, cap.period)) {
            fields.wrong(&field, "has the scope and the period of another cap; keep the one with the lower maximum");
        }
        caps.push(cap);
    }
    caps
}

fn read_one(fields: &mut Fields, sent: &pb::Cap) -> Option<Cap> {
    let scope: Option<CapScope> = fields.optional_value("scope", sent.scope);
    if sent.scope == 0 {
        let names: Vec<_> = CapScope::VALUES.iter().map(|scope| scope.wire_name()).collect();
        fields.wrong("scope", format!("is required: one of {}", names.join(", ")));
    }
    let period = fields.optional_value("period", sent.period).unwrap_or(Period::AllTime);
    if scope == Some(CapScope::SingleEvent) && period != Period::AllTime {
        fields.wrong("period", "is not for a cap of one event; leave it out");
    }
    let maximum = fields.required("maximum", sent.maximum.as_ref());
    let maximum = maximum.and_then(|maximum| fields.optional_money("maximum", Some(maximum)))?;
    if maximum.amount_minor == 0 {
        fields.wrong("maximum.amount_minor", "must be more than zero; set the commission to zero to pay nothing");
    }
    Some(Cap { scope: scope?, period, maximum })
}

/// Caps in the form that all caps of the same meaning have: the one in which they are returned. Caps that are refused stay as they are.
pub(super) fn canonical(sent: &[pb::Cap]) -> Option<Vec<pb::Cap>> {
    let mut fields = Fields::default();
    let mut caps = read(&mut fields, sent);
    fields.finish().ok()?;
    Cap::order(&mut caps);
    let caps: Vec<_> = caps.iter().map(render).collect();
    (caps != sent).then_some(caps)
}

/// A cap as a message.
pub(super) fn render(cap: &Cap) -> pb::Cap {
    pb::Cap { scope: cap.scope.number(), period: cap.period.number(), maximum: Some(money(cap.maximum)) }
}
