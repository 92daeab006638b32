//! All forms as a later release may have them: the same declarations compiled once more, with one more field in each form. For
//! tests only.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::field;

macro_rules! form {
    ($($form:tt)*) => { form_with! { [added] $($form)* } };
}

/// Passes an enum on with the field added to each variant that has fields.
macro_rules! enum_form {
    (
        $(#[$doc:meta])*
        $form:ident $(<$life:lifetime>)? of $of:ident {
            $($variant:ident $(($($held:tt)*))? $({ $($fields:tt)* })?,)*
        }
    ) => {
        enum_form_with! {
            $(#[$doc])*
            $form $(<$life>)? of $of {
                $($variant $(($($held)*))? $({ $($fields)* [added] })?,)*
            }
        }
    };
}

macro_rules! copies {
    ($($file:literal $module:ident,)*) => {$(
        #[expect(clippy::duplicate_mod, reason = "a copy is what is wanted")]
        #[path = $file]
        pub(super) mod $module;
    )*};
}

copies! {
    "account.rs" account,
    "affiliate.rs" affiliate,
    "affiliate_group.rs" affiliate_group,
    "attribution.rs" attribution,
    "bounty.rs" bounty,
    "click.rs" click,
    "conversion.rs" conversion,
    "coupon.rs" coupon,
    "enrollment.rs" enrollment,
    "fraud.rs" fraud,
    "item.rs" item,
    "ladder.rs" ladder,
    "lead.rs" lead,
    "link.rs" link,
    "offer.rs" offer,
    "outcome.rs" outcome,
    "payout.rs" payout,
    "payout_method.rs" payout_method,
    "payout_document.rs" payout_document,
    "payout_export.rs" payout_export,
    "payout_reconciliation.rs" payout_reconciliation,
    "payout_run.rs" payout_run,
    "payout_schedule.rs" payout_schedule,
    "program.rs" program,
    "reward.rs" reward,
    "sales_tally.rs" sales_tally,
    "tally.rs" tally,
    "tax_profile.rs" tax_profile,
}

/// The value of the added field in texts that these forms write.
pub(super) const ADDED: i64 = 7;

thread_local! {
    static READ: RefCell<BTreeMap<&'static str, Vec<i64>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Records that a form was read with this value of the added field.
pub(super) fn has_read(form: &'static str, added: i64) {
    READ.with_borrow_mut(|read| read.entry(form).or_default().push(added));
}

/// The values of the added field that this thread has read since the last call, by form.
pub(super) fn take_read() -> BTreeMap<&'static str, Vec<i64>> {
    READ.take()
}
