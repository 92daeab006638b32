//! The fields of commands, as refusals name them.

use crate::domain::text_enum::text_enum;

text_enum! {
    /// A field of a command. The API translates it into the path of the message's field.
    Field {
        /// An email address.
        Email = "email",
        /// The token that verifies an email address.
        VerificationToken = "verification_token",
        /// The merchant's own id.
        ExternalId = "external_id",
        /// The ref_id of an enrollment.
        RefId = "ref_id",
        /// The coupon code that an enrollment begins with.
        CouponCode = "coupon_code",
        /// Why something is done.
        Reason = "reason",
        /// The code of a link or a coupon.
        Code = "code",
        /// The SKU of an item.
        Sku = "sku",
        /// The currency of a flat commission.
        CommissionCurrency = "commission_currency",
        /// The currency of a flat commission in a rule of the terms.
        RuleCurrency = "rule_currency",
        /// The currency of the bonus of a commission rule.
        RuleBonusCurrency = "rule_bonus_currency",
        /// The currency of a cap.
        CapCurrency = "cap_currency",
        /// The currency of the amount that a step of a ladder asks for.
        LadderAmountCurrency = "ladder_amount_currency",
        /// The currency of the flat commission of a step of a ladder.
        LadderFlatCurrency = "ladder_flat_currency",
        /// The currency of the amount that a threshold bonus asks for.
        ThresholdAmountCurrency = "threshold_amount_currency",
        /// The currency of a threshold bonus.
        ThresholdBonusCurrency = "threshold_bonus_currency",
        /// A commission of an enrollment or a coupon for a time.
        DatedCommission = "dated_commission",
        /// Its currency.
        DatedCommissionCurrency = "dated_commission_currency",
        /// Its start.
        DatedCommissionStartTime = "dated_commission_start_time",
        /// Its end.
        DatedCommissionEndTime = "dated_commission_end_time",
        /// The commission of an enrollment or a coupon for a time that is withdrawn.
        WithdrawDatedCommission = "withdraw_dated_commission",
        /// The start of a new version of the terms.
        TermsStartTime = "terms_start_time",
        /// The terms.
        Terms = "terms",
        /// The end of a new version of the terms.
        TermsEndTime = "terms_end_time",
        /// The version of the terms that is withdrawn.
        WithdrawTermsVersion = "withdraw_terms_version",
        /// The currency of the discount that customers are promised.
        CustomerRewardCurrency = "customer_reward_currency",
        /// The currency of the cash that affiliates get when they become active.
        EnrollmentBonusCurrency = "enrollment_bonus_currency",
        /// The currency of the discount that affiliates get when they become active.
        EnrollmentDiscountCurrency = "enrollment_discount_currency",
        /// The account that is named.
        Account = "account",
        /// The API key that is named.
        ApiKeyId = "api_key_id",
        /// The origins that a key works on.
        AllowedOrigins = "allowed_origins",
        /// The program that is named.
        ProgramId = "program_id",
        /// The affiliate that is named.
        Affiliate = "affiliate",
        /// The group of affiliates that is named.
        GroupId = "group_id",
        /// The name that people see.
        DisplayName = "display_name",
        /// The custom fields of an affiliate.
        CustomFields = "custom_fields",
        /// The enrollment that is named.
        EnrollmentId = "enrollment_id",
        /// The link that is named.
        LinkId = "link_id",
        /// The coupon that is named.
        CouponId = "coupon_id",
        /// The item that is named.
        Item = "item",
        /// The offer that is named.
        OfferId = "offer_id",
        /// The bounty that is named.
        BountyId = "bounty_id",
        /// The submission that is named.
        SubmissionId = "submission_id",
        /// The submissions that win a contest.
        Winners = "winner_submission_ids",
        /// The time zone of an account.
        TimeZone = "time_zone",
        /// The end of the window of an offer or a bounty.
        EndTime = "end_time",
        /// The page that a link leads to.
        DestinationUrl = "destination_url",
        /// The page that a link claims.
        ClaimedUrl = "claimed_url",
        /// The lead that is named.
        Lead = "lead",
        /// The lead that is merged into another one.
        Duplicate = "duplicate",
        /// The conversion that is named.
        Conversion = "conversion",
        /// The rewards that are named.
        RewardIds = "reward_ids",
        /// The number of a tax profile.
        TaxNumber = "number",
        /// The payout that is named.
        PayoutId = "payout_id",
        /// The payouts that are named.
        PayoutIds = "payout_ids",
        /// The credentials of a connection to a payout provider.
        Credentials = "credentials",
        /// The payout provider that is named.
        Provider = "provider",
        /// The export of payouts that is named.
        PayoutExportId = "payout_export_id",
        /// The document of a payout that is named.
        PayoutDocumentId = "payout_document_id",
        /// The reconciliation of payouts that is named.
        PayoutReconciliationId = "payout_reconciliation_id",
        /// The payout run that is named.
        PayoutRunId = "payout_run_id",
        /// The payout schedule that is named.
        PayoutScheduleId = "payout_schedule_id",
        /// The least amount that is worth a payout.
        Minimum = "minimum",
        /// The most that all payouts of a run add up to.
        MaximumTotal = "maximum_total",
        /// The amount of a sale or refund.
        Amount = "amount",
        /// The lines of a sale or refund.
        Lines = "lines",
        /// The etag of the resource to change.
        Etag = "etag",
        /// The merchant's id of a recorded event.
        EventId = "event_id",
        /// The caller's id of any other request.
        RequestId = "request_id",
    }
}
