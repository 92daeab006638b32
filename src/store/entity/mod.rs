//! One SeaORM entity per table, in the order of the migrations. No logic.

pub mod account;
pub mod account_head;
pub mod affiliate;
pub mod affiliate_group;
pub mod api_key;
pub mod api_key_use;
pub mod audit_entry;
pub mod balance;
pub mod balance_checkpoint;
pub mod billing_profile;
pub mod bounty;
pub mod click;
pub mod conversion;
pub mod counted_click;
pub mod coupon;
pub mod coupon_count;
pub mod coupon_use;
pub mod enrollment;
pub mod event_segment;
pub mod first_click;
pub mod fraud_note;
pub mod item;
pub mod ladder_tally;
pub mod lead;
pub mod ledger_entry;
pub mod link;
pub mod list_block;
pub mod list_tail;
pub mod mail;
pub mod offer;
pub mod offer_claim;
pub mod payout;
pub mod payout_attempt;
pub mod payout_connection;
pub mod payout_document;
pub mod payout_document_count;
pub mod payout_export;
pub mod payout_method;
pub mod payout_purse;
pub mod payout_reconciliation;
pub mod payout_run;
pub mod payout_schedule;
pub mod program;
pub mod program_mrr;
pub mod request;
pub mod reward;
pub mod sales_tally;
pub mod statistic_block;
pub mod statistic_tail;
pub mod store_identity;
pub mod submission;
pub mod submission_count;
pub mod tally;
pub mod tax_profile;
pub mod terms;
pub mod unmatched_sale;
pub mod waiting_refund;
pub mod write_trial;
pub mod yearly_total;

/// Calls a macro with the module of every entity. For checks that must hold for every table.
#[macro_export]
macro_rules! for_all_entities {
    ($callback:ident) => {
        $callback! {
            store_identity, account, api_key, api_key_use, mail, audit_entry, program, terms, item, affiliate_group, affiliate, enrollment, link, coupon, coupon_count, coupon_use, tally, ladder_tally, sales_tally, offer, offer_claim, payout, payout_document, payout_document_count, payout_attempt, payout_purse, payout_export, payout_method, tax_profile, billing_profile, yearly_total, payout_connection, payout_reconciliation, payout_run, payout_schedule, bounty, submission, submission_count, click, counted_click, first_click, fraud_note, lead, conversion, waiting_refund, unmatched_sale, reward, ledger_entry, balance, balance_checkpoint, program_mrr, account_head, list_tail, list_block, statistic_tail, statistic_block, event_segment, request, write_trial
        }
    };
}
