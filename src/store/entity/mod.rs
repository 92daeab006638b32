//! One SeaORM entity per table, in the order of the migrations. No logic.

pub mod store_identity;
pub mod account;
pub mod api_key;
pub mod program;
pub mod terms;
pub mod affiliate;
pub mod enrollment;
pub mod link;
pub mod coupon;
pub mod click;
pub mod lead;
pub mod conversion;
pub mod waiting_refund;
pub mod unmatched_sale;
pub mod reward;
pub mod ledger_entry;
pub mod balance;
pub mod account_head;
pub mod event;
pub mod request;

/// Calls a macro with the module of every entity: whatever must hold for every table is checked for every table.
#[macro_export]
macro_rules! for_all_entities {
    ($callback:ident) => {
        $callback! {
            store_identity, account, api_key, program, terms, affiliate, enrollment, link, coupon, click, lead, conversion, waiting_refund, unmatched_sale, reward, ledger_entry, balance, account_head, event, request
        }
    };
}
