//! Levels of uplines on the wire.

use crate::domain::money::PPM;
use crate::domain::upline::{PAID_LEVELS_MAX, UplineBasis, UplineLevel};
use crate::pb;
use crate::rpc::call::parse::Fields;
use crate::rpc::call::wire_enum::WireEnum;

/// Reads the levels of terms.
pub(super) fn read(fields: &mut Fields, sent: &[pb::UplineLevel]) -> Vec<UplineLevel> {
    if sent.len() > PAID_LEVELS_MAX {
        fields.wrong("upline_levels", format!("has {} levels; at most {PAID_LEVELS_MAX} are taken", sent.len()));
        return Vec::new();
    }
    let levels = sent.iter().enumerate();
    levels
        .map(|(place, sent)| fields.within(&format!("upline_levels[{place}]"), |fields| read_one(fields, sent)))
        .collect()
}

fn read_one(fields: &mut Fields, sent: &pb::UplineLevel) -> UplineLevel {
    if !(0..=PPM).contains(&i64::from(sent.percent_ppm)) {
        fields.wrong("percent_ppm", format!("must be 0 to {PPM}, in parts per million: 5 % is 50000"));
    }
    let basis = fields.optional_value("basis", sent.basis).unwrap_or(UplineBasis::Commission);
    UplineLevel { basis, percent_ppm: sent.percent_ppm }
}

/// Levels in the form that all levels of the same meaning have: the one in which they are returned. Levels that are refused stay as they are.
pub(super) fn canonical(sent: &[pb::UplineLevel]) -> Option<Vec<pb::UplineLevel>> {
    let mut fields = Fields::default();
    let levels: Vec<_> = read(&mut fields, sent).iter().map(render).collect();
    fields.finish().ok()?;
    (levels != sent).then_some(levels)
}

/// A level as a message.
pub(in crate::rpc) fn render(level: &UplineLevel) -> pb::UplineLevel {
    pb::UplineLevel { basis: level.basis.number(), percent_ppm: level.percent_ppm }
}
